// MQTT.js in Node.js, meeting a broker: mqttjs_peer.mjs LIBRARY URL LEVEL [CERTIFICATE]

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { meet } from './mqttjs_cases.mjs'

const [library, url, level, certificate] = process.argv.slice(2)
const options = certificate ? { ca: readFileSync(certificate) } : {}
try {
  await meet(createRequire(import.meta.url)(library), url, Number(level), options, (held) => console.log(held))
  process.exit(0)
} catch (error) {
  console.error(error)
  process.exit(1)
}
