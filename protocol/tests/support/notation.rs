//! Bytes written for people: hex digits in pairs, `"text"`, and comments from `#` on.

/// Reads the notation; whoever got it wrong is told the line.
pub(crate) fn bytes(notation: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (index, line) in notation.lines().enumerate() {
        read_line(line, &mut bytes).ok_or_else(|| format!("line {} is not hex", index + 1))?;
    }
    Ok(bytes)
}

fn read_line(line: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"')?;
            bytes.extend_from_slice(text.as_bytes());
            rest = behind.trim_start();
        } else {
            let (pair, behind) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
            rest = behind.trim_start();
        }
    }
    Some(())
}
