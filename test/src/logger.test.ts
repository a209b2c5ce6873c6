/** One JSON object a line, from the lowest level asked for, without secrets. */
import { describe, expect, it } from 'vitest'
import { jsonLogger, type LogLevel } from '../../src/logger.js'

function lines(lowest?: LogLevel): { written: string[]; logger: ReturnType<typeof jsonLogger> } {
  const written: string[] = []
  return {
    written,
    logger: jsonLogger(
      (line) => written.push(line),
      lowest,
      () => 0,
    ),
  }
}

describe('jsonLogger', () => {
  it('writes one line with the time, the level, the message and the fields', () => {
    const { written, logger } = lines()
    logger.log('warn', 'two\nlines', { consumer: 'audit', attempt: 2 })
    expect(written).toHaveLength(1)
    expect(written[0]?.indexOf('\n')).toBe((written[0]?.length ?? 0) - 1)
    expect(JSON.parse(written[0] ?? '')).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      level: 'warn',
      message: 'two\nlines',
      consumer: 'audit',
      attempt: 2,
    })
  })

  it('leaves out what is below the lowest level, which is info unless told otherwise', () => {
    const all: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
    const heard = (lowest?: LogLevel): unknown[] => {
      const { written, logger } = lines(lowest)
      for (const level of all) logger.log(level, 'x')
      return written.map((line) => JSON.parse(line).level)
    }
    expect(heard()).toEqual(['info', 'warn', 'error'])
    expect(heard('debug')).toEqual(all)
    expect(heard('error')).toEqual(['error'])
  })

  it('hides secrets in the message and in the fields, and the line stays JSON', () => {
    const { written, logger } = lines()
    logger.log('error', 'connect nats://bus:hunter2@host failed', {
      password: 'hunter3',
      nested: { dsn: 'postgres://app:hunter4@db/x' },
      broker: 'nats://host:4222',
      owner: 'somebody@example.org',
    })
    expect(written[0]).not.toMatch(/hunter/)
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      password: '[redacted]',
      nested: { dsn: 'postgres://app:[redacted]@db/x' },
      broker: 'nats://host:4222',
      owner: 'somebody@example.org',
    })
  })
})
