// Original file: proto/chrysalis/v1/transparency.proto


export interface LoggedEntry {
  'leaf'?: (Buffer | Uint8Array | string);
  'proof'?: (string);
}

export interface LoggedEntry__Output {
  'leaf': (Buffer);
  'proof': (string);
}
