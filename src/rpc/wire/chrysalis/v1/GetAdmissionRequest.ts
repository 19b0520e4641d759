// Original file: proto/chrysalis/v1/transparency.proto


export interface GetAdmissionRequest {
  'workerId'?: (Buffer | Uint8Array | string);
}

export interface GetAdmissionRequest__Output {
  'workerId': (Buffer);
}
