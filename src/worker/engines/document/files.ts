import { type Bytes, CodedError } from '../../../core/index.ts';
import type { ModelFolder } from '../model-folder.ts';

/** The networks and characters of PP-OCR as its packages name them. */
const FILES = {
  detector: /(^|\/)[^/]*det[^/]*\.onnx$/,
  recogniser: /(^|\/)[^/]*rec[^/]*\.onnx$/,
  characters: /(^|\/)[^/]*keys[^/]*\.txt$/,
};

export type DocumentModelFiles = Readonly<{
  detector: Bytes;
  recogniser: Bytes;
  characters: Bytes;
  /** Those three by their paths: what the manifest names. */
  contents: ReadonlyMap<string, Bytes>;
}>;

/** Whether a folder holds a model that reads documents. */
export async function holdsDocumentModel(folder: ModelFolder): Promise<boolean> {
  const listed = await folder.list();
  return listed.some((path) => FILES.detector.test(path)) && listed.some((path) => FILES.recogniser.test(path));
}

/**
 * Reads detector, recogniser and characters, once: what is hashed is what runs.
 * @throws CodedError MODEL_MISSING for one that is not there, MODEL_INVALID for two of a kind
 */
export async function readDocumentModel(folder: ModelFolder): Promise<DocumentModelFiles> {
  const listed = await folder.list();
  const contents = new Map<string, Bytes>();
  const read = async (what: keyof typeof FILES): Promise<Bytes> => {
    const [path, second] = listed.filter((one) => FILES[what].test(one));
    if (path === undefined) throw new CodedError('MODEL_MISSING', `the model's folder has no ${what}`, { what });
    if (second !== undefined) throw new CodedError('MODEL_INVALID', `the model's folder has two files of ${what}`);
    const content = await folder.read(path);
    contents.set(path, content);
    return content;
  };
  const detector = await read('detector');
  return { detector, recogniser: await read('recogniser'), characters: await read('characters'), contents };
}
