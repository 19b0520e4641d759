/**
 * `#crypto` for browsers: WebCrypto, and JavaScript for what it lacks (answers at once, SHA-3, ML-KEM, ML-DSA).
 * The same exports as `node.ts`, answering alike. AES and the hashes are JavaScript here, so their timing is not
 * promised to be independent of secrets: a browser holds a client's keys, never a worker's.
 */
export * from './browser-aead.ts';
export * from './browser-hash.ts';
export * from './browser-kem.ts';
export * from './browser-ml-dsa.ts';
export * from './browser-signatures.ts';
export * from './shapes.ts';
