export { openSealedFolder, sealedHeaderOnDisk } from './folder.ts';
export { HEADER_FILE, MODEL_KEY_BYTES, parseSealedHeader, type SealedHeader } from './format.ts';
export { type SealedFile, sealModel } from './seal.ts';
