/** TON global ids (configuration parameter 19). They are part of every contract's initial data, and so of its address. */
export const MAINNET = -239;
export const TESTNET = -3;
/** The development chain's own: what is signed there means nothing on a real network. */
export const DEVELOPMENT_NETWORK = -1000;

/** The price sheet's name of a network's native coin (contracts section 6, units). */
export function currencyOf(network: number): string {
  return `TON/${network}`;
}
