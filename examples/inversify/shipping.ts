/** Ships what was billed, from a warehouse that the container hands in. */
import { inject, injectable } from 'inversify'
import type { Message } from '../../src/index.js' // busbar
import { Consume } from '../../wiring/container.js' // busbar/inversify
import { OrderBilled } from './orders.js'

@injectable()
export class Warehouse {
  readonly shipped: string[] = []
}

@injectable()
export class Shipping {
  readonly #warehouse: Warehouse

  constructor(@inject(Warehouse) warehouse: Warehouse) {
    this.#warehouse = warehouse
  }

  @Consume(OrderBilled, { name: 'shipping', stream: 'orders' })
  onBilled({ params, data }: Message<{ invoice: string }, { orderId: string }>): void {
    this.#warehouse.shipped.push(params.orderId)
    console.log(`order ${params.orderId} is on its way, invoice ${data.invoice}`)
  }
}
