/** What a broken adapter is: which promise it breaks, the fault that shows it, and the rule of the checker that must notice. */
import type { Adapter } from '../../../src/adapter.js'
import type { RuleCode } from '../../../testing/history/index.js'
import type { Backend } from '../client/setting.js'

export interface Broken {
  readonly name: string
  readonly adapter: Backend['adapter']
  /** What happens in its world, `F1+F2` for two at once; nothing at all when the promise is broken without a fault. */
  readonly faults: readonly string[]
  /** Must fail. */
  readonly rule: RuleCode
  /** May fail as well, because of the same thing. */
  readonly follows: readonly RuleCode[]
  /** It writes to a database of its own, beside a world that has none. */
  readonly besideDatabase?: true
  readonly breaks: (adapter: Adapter, backend: Backend) => Adapter
}

/** Every other method is the adapter's own. */
export function instead(adapter: Adapter, methods: Partial<Adapter>): Adapter {
  return new Proxy(adapter, {
    get: (target, name) => {
      if (name in methods) return Reflect.get(methods, name, methods)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
