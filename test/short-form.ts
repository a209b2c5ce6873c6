/** `npm test` keeps to a quarter of an hour; what it runs a part of, `npm run test:all` runs as a whole. */
export const isShort = process.env.BUSBAR_TESTS !== 'all'
