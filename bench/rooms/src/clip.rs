//! A film made by mpv itself: a moving picture with its frame number in it, and a tone that beeps each second.
//!
//! The container is NUT: mpv's encoder writes no frame rate into a Matroska file, and rounds its times to milliseconds.

use crate::Error;
use crate::spawn::{Process, find_program};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Encoding runs some fifty times faster than the film; a slow machine gets what it needs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A generated film, kept for the next time.
#[derive(Clone, Debug)]
pub struct Clip {
    path: PathBuf,
}

impl Clip {
    /// The clip of that length in `folder`, made if it is not there: 24000/1001 frames a second, 48 kHz.
    ///
    /// # Errors
    /// When mpv is not installed or cannot encode.
    pub fn in_folder(folder: &Path, length: Duration) -> Result<Self, Error> {
        let secs = length.as_secs().max(1);
        // One at a time in this program, and a file of its own for each program: a rename lets nobody see half of it.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let path = folder.join(format!("clip-{secs}s.nut"));
        if path.is_file() {
            return Ok(Self { path });
        }
        std::fs::create_dir_all(folder)
            .map_err(Error::system(format!("create {}", folder.display())))?;
        let half = folder.join(format!("clip-{secs}s.{}.part", std::process::id()));
        let made = encode(secs, &half).and_then(|()| {
            std::fs::rename(&half, &path)
                .map_err(Error::system(format!("write {}", path.display())))
        });
        if let Err(error) = made {
            drop(std::fs::remove_file(&half));
            return Err(error);
        }
        Ok(Self { path })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn encode(secs: u64, file: &Path) -> Result<(), Error> {
    let mpv = find_program("mpv")
        .ok_or_else(|| Error::Missing { what: "mpv".into(), remedy: "install the package mpv" })?;
    let picture = format!("testsrc2=size=640x360:rate=24000/1001:duration={secs}");
    let tone = format!("sine=frequency=220:beep_factor=4:sample_rate=48000:duration={secs}");
    let mut command = Command::new(mpv);
    command
        .args(["--no-config", "--no-terminal", "--of=nut"])
        .args(["--ovc=libx264", "--ovcopts=preset=superfast,g=240,crf=30", "--oac=flac"])
        .arg(format!("--o={}", file.display()))
        .arg(format!("av://lavfi:{picture}[out0];{tone}[out1]"));
    let mut process = Process::start("mpv", command, file.with_extension("out"))?;
    let status = process.wait_for_end(PATIENCE)?;
    if !status.success() || !file.is_file() {
        return Err(process.failure("could not make the clip"));
    }
    drop(std::fs::remove_file(file.with_extension("out")));
    Ok(())
}
