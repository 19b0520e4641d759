// Original file: proto/chrysalis/v1/admin.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DrainWorkerRequest as _chrysalis_v1_DrainWorkerRequest, DrainWorkerRequest__Output as _chrysalis_v1_DrainWorkerRequest__Output } from '../../chrysalis/v1/DrainWorkerRequest.ts';
import type { DrainWorkerResponse as _chrysalis_v1_DrainWorkerResponse, DrainWorkerResponse__Output as _chrysalis_v1_DrainWorkerResponse__Output } from '../../chrysalis/v1/DrainWorkerResponse.ts';
import type { GetPolicyRequest as _chrysalis_v1_GetPolicyRequest, GetPolicyRequest__Output as _chrysalis_v1_GetPolicyRequest__Output } from '../../chrysalis/v1/GetPolicyRequest.ts';
import type { GetPolicyResponse as _chrysalis_v1_GetPolicyResponse, GetPolicyResponse__Output as _chrysalis_v1_GetPolicyResponse__Output } from '../../chrysalis/v1/GetPolicyResponse.ts';
import type { GetStatusRequest as _chrysalis_v1_GetStatusRequest, GetStatusRequest__Output as _chrysalis_v1_GetStatusRequest__Output } from '../../chrysalis/v1/GetStatusRequest.ts';
import type { GetStatusResponse as _chrysalis_v1_GetStatusResponse, GetStatusResponse__Output as _chrysalis_v1_GetStatusResponse__Output } from '../../chrysalis/v1/GetStatusResponse.ts';
import type { ListWorkersRequest as _chrysalis_v1_ListWorkersRequest, ListWorkersRequest__Output as _chrysalis_v1_ListWorkersRequest__Output } from '../../chrysalis/v1/ListWorkersRequest.ts';
import type { ListWorkersResponse as _chrysalis_v1_ListWorkersResponse, ListWorkersResponse__Output as _chrysalis_v1_ListWorkersResponse__Output } from '../../chrysalis/v1/ListWorkersResponse.ts';

export interface AdministrationClient extends grpc.Client {
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  DrainWorker(argument: _chrysalis_v1_DrainWorkerRequest, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  drainWorker(argument: _chrysalis_v1_DrainWorkerRequest, callback: grpc.requestCallback<_chrysalis_v1_DrainWorkerResponse__Output>): grpc.ClientUnaryCall;
  
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  GetPolicy(argument: _chrysalis_v1_GetPolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  getPolicy(argument: _chrysalis_v1_GetPolicyRequest, callback: grpc.requestCallback<_chrysalis_v1_GetPolicyResponse__Output>): grpc.ClientUnaryCall;
  
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  GetStatus(argument: _chrysalis_v1_GetStatusRequest, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  getStatus(argument: _chrysalis_v1_GetStatusRequest, callback: grpc.requestCallback<_chrysalis_v1_GetStatusResponse__Output>): grpc.ClientUnaryCall;
  
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _chrysalis_v1_ListWorkersRequest, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _chrysalis_v1_ListWorkersRequest, callback: grpc.requestCallback<_chrysalis_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface AdministrationHandlers extends grpc.UntypedServiceImplementation {
  DrainWorker: grpc.handleUnaryCall<_chrysalis_v1_DrainWorkerRequest__Output, _chrysalis_v1_DrainWorkerResponse>;
  
  GetPolicy: grpc.handleUnaryCall<_chrysalis_v1_GetPolicyRequest__Output, _chrysalis_v1_GetPolicyResponse>;
  
  GetStatus: grpc.handleUnaryCall<_chrysalis_v1_GetStatusRequest__Output, _chrysalis_v1_GetStatusResponse>;
  
  ListWorkers: grpc.handleUnaryCall<_chrysalis_v1_ListWorkersRequest__Output, _chrysalis_v1_ListWorkersResponse>;
  
}

export interface AdministrationDefinition extends grpc.ServiceDefinition {
  DrainWorker: MethodDefinition<_chrysalis_v1_DrainWorkerRequest, _chrysalis_v1_DrainWorkerResponse, _chrysalis_v1_DrainWorkerRequest__Output, _chrysalis_v1_DrainWorkerResponse__Output>
  GetPolicy: MethodDefinition<_chrysalis_v1_GetPolicyRequest, _chrysalis_v1_GetPolicyResponse, _chrysalis_v1_GetPolicyRequest__Output, _chrysalis_v1_GetPolicyResponse__Output>
  GetStatus: MethodDefinition<_chrysalis_v1_GetStatusRequest, _chrysalis_v1_GetStatusResponse, _chrysalis_v1_GetStatusRequest__Output, _chrysalis_v1_GetStatusResponse__Output>
  ListWorkers: MethodDefinition<_chrysalis_v1_ListWorkersRequest, _chrysalis_v1_ListWorkersResponse, _chrysalis_v1_ListWorkersRequest__Output, _chrysalis_v1_ListWorkersResponse__Output>
}
