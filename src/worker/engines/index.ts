export { type DocumentEngineOptions, holdsDocumentModel, loadDocumentEngine } from './document/index.ts';
export type { Embeddings, EmbedRequest, Engine, GenerateEvent, GenerateRequest } from './engine.ts';
export { encodeModelManifest, type ModelFile, type ModelManifest, modelDigest, modelManifest } from './manifest.ts';
export { type ModelFolder, modelFolderOnDisk } from './model-folder.ts';
export { loadOnnxEngine, type OnnxEngine, type OnnxEngineOptions } from './onnx.ts';
export { loadUpstreamEngine, type UpstreamOptions } from './upstream.ts';
export { type WatchedModel, watchedModelOnDisk } from './watched-model.ts';
