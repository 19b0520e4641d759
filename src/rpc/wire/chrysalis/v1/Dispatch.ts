// Original file: proto/chrysalis/v1/worker.proto


export interface Dispatch {
  'dispatch'?: (number);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface Dispatch__Output {
  'dispatch': (number);
  'signature': (Buffer);
}
