// Original file: proto/chrysalis/v1/admin.proto


export interface DrainWorkerResponse {
}

export interface DrainWorkerResponse__Output {
}
