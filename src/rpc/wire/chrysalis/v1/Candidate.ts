// Original file: proto/chrysalis/v1/inference.proto


export interface Candidate {
  'wrap'?: (Buffer | Uint8Array | string);
  'enc'?: (Buffer | Uint8Array | string);
}

export interface Candidate__Output {
  'wrap': (Buffer);
  'enc': (Buffer);
}
