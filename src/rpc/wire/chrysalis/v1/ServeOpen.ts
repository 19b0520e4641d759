// Original file: proto/chrysalis/v1/worker.proto


export interface ServeOpen {
  'header'?: (Buffer | Uint8Array | string);
  'authorization'?: (Buffer | Uint8Array | string);
  'commit'?: (Buffer | Uint8Array | string);
  'wrap'?: (Buffer | Uint8Array | string);
  'enc'?: (Buffer | Uint8Array | string);
  'hello'?: (Buffer | Uint8Array | string);
  'timeLeftMs'?: (number);
}

export interface ServeOpen__Output {
  'header': (Buffer);
  'authorization': (Buffer);
  'commit': (Buffer);
  'wrap': (Buffer);
  'enc': (Buffer);
  'hello': (Buffer);
  'timeLeftMs': (number);
}
