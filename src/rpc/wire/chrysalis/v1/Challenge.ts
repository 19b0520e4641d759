// Original file: proto/chrysalis/v1/worker.proto


export interface Challenge {
  'nonce'?: (Buffer | Uint8Array | string);
  'beacon'?: (Buffer | Uint8Array | string);
  'checkpoint'?: (string);
  'anew'?: (string);
}

export interface Challenge__Output {
  'nonce': (Buffer);
  'beacon': (Buffer);
  'checkpoint': (string);
  'anew': (string);
}
