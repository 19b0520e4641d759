// Original file: proto/chrysalis/v1/inference.proto


export interface Model {
  'modelDigest'?: (Buffer | Uint8Array | string);
  'name'?: (string);
  'workers'?: (number);
  'contextTokensMax'?: (number);
}

export interface Model__Output {
  'modelDigest': (Buffer);
  'name': (string);
  'workers': (number);
  'contextTokensMax': (number);
}
