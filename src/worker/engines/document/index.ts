export { type DocumentEngineOptions, loadDocumentEngine } from './engine.ts';
export { holdsDocumentModel } from './files.ts';
