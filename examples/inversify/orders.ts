/** The topics and the stream that billing and shipping share. */
import { z } from 'zod'
import { type StreamDefinition, topic } from '../../src/index.js' // busbar

export const OrderPlaced = topic('orders.{orderId}.placed', { schema: z.object({ total: z.number().positive() }) })
export const OrderBilled = topic('orders.{orderId}.billed', { schema: z.object({ invoice: z.string() }) })

export const streams: readonly StreamDefinition[] = [{ name: 'orders', subjects: ['orders.>'] }]
