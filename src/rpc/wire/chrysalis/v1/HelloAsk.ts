// Original file: proto/chrysalis/v1/worker.proto


export interface HelloAsk {
  'id'?: (number);
  'hello'?: (Buffer | Uint8Array | string);
}

export interface HelloAsk__Output {
  'id': (number);
  'hello': (Buffer);
}
