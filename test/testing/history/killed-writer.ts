/** A process that writes many lines of a history and is killed, by itself, at the end of the last call. Argument: the path of the file. */
import { HistoryFile } from '../../../testing/history/index.js'

const [, , path = ''] = process.argv
const history = await HistoryFile.open(path, { run: 'r', proc: 'p' })
for (let op = 0; op < 500; op++) history.note({ ev: 'pub.ok', op: `${op}` })
process.kill(process.pid, 'SIGKILL')
