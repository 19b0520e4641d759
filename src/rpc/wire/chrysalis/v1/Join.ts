// Original file: proto/chrysalis/v1/worker.proto


export interface Join {
  'versions'?: (number)[];
  'name'?: (string);
  'modelDigest'?: (Buffer | Uint8Array | string);
  'modelName'?: (string);
  'contextTokensMax'?: (number);
  'concurrencyMax'?: (number);
}

export interface Join__Output {
  'versions': (number)[];
  'name': (string);
  'modelDigest': (Buffer);
  'modelName': (string);
  'contextTokensMax': (number);
  'concurrencyMax': (number);
}
