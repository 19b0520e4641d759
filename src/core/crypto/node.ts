/**
 * The only door to a cryptographic library. This is the Node implementation of `#crypto`; `browser.ts` has the same
 * exports and answers alike. Hashes and AEAD answer at once; signatures and KEMs answer by promise, because a browser's
 * do. Keys are raw bytes at this border (Ed25519, X25519: 32 bytes; P-256, P-384: uncompressed point).
 */
export * from './node-aead.ts';
export * from './node-hash.ts';
export * from './node-kem.ts';
export * from './node-ml-dsa.ts';
export * from './node-signatures.ts';
export * from './shapes.ts';
