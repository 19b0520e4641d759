// Original file: proto/chrysalis/v1/worker.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetStandingRequest as _chrysalis_v1_GetStandingRequest, GetStandingRequest__Output as _chrysalis_v1_GetStandingRequest__Output } from '../../chrysalis/v1/GetStandingRequest.ts';
import type { RouterMessage as _chrysalis_v1_RouterMessage, RouterMessage__Output as _chrysalis_v1_RouterMessage__Output } from '../../chrysalis/v1/RouterMessage.ts';
import type { ServeFromRouter as _chrysalis_v1_ServeFromRouter, ServeFromRouter__Output as _chrysalis_v1_ServeFromRouter__Output } from '../../chrysalis/v1/ServeFromRouter.ts';
import type { ServeFromWorker as _chrysalis_v1_ServeFromWorker, ServeFromWorker__Output as _chrysalis_v1_ServeFromWorker__Output } from '../../chrysalis/v1/ServeFromWorker.ts';
import type { Standing as _chrysalis_v1_Standing, Standing__Output as _chrysalis_v1_Standing__Output } from '../../chrysalis/v1/Standing.ts';
import type { WorkerMessage as _chrysalis_v1_WorkerMessage, WorkerMessage__Output as _chrysalis_v1_WorkerMessage__Output } from '../../chrysalis/v1/WorkerMessage.ts';

export interface WorkerAttachmentClient extends grpc.Client {
  Attach(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  Attach(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  attach(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  attach(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  
  GetStanding(argument: _chrysalis_v1_GetStandingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  GetStanding(argument: _chrysalis_v1_GetStandingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  GetStanding(argument: _chrysalis_v1_GetStandingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  GetStanding(argument: _chrysalis_v1_GetStandingRequest, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  getStanding(argument: _chrysalis_v1_GetStandingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  getStanding(argument: _chrysalis_v1_GetStandingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  getStanding(argument: _chrysalis_v1_GetStandingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  getStanding(argument: _chrysalis_v1_GetStandingRequest, callback: grpc.requestCallback<_chrysalis_v1_Standing__Output>): grpc.ClientUnaryCall;
  
  Serve(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  Serve(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  serve(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  serve(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  
}

export interface WorkerAttachmentHandlers extends grpc.UntypedServiceImplementation {
  Attach: grpc.handleBidiStreamingCall<_chrysalis_v1_WorkerMessage__Output, _chrysalis_v1_RouterMessage>;
  
  GetStanding: grpc.handleUnaryCall<_chrysalis_v1_GetStandingRequest__Output, _chrysalis_v1_Standing>;
  
  Serve: grpc.handleBidiStreamingCall<_chrysalis_v1_ServeFromWorker__Output, _chrysalis_v1_ServeFromRouter>;
  
}

export interface WorkerAttachmentDefinition extends grpc.ServiceDefinition {
  Attach: MethodDefinition<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage, _chrysalis_v1_WorkerMessage__Output, _chrysalis_v1_RouterMessage__Output>
  GetStanding: MethodDefinition<_chrysalis_v1_GetStandingRequest, _chrysalis_v1_Standing, _chrysalis_v1_GetStandingRequest__Output, _chrysalis_v1_Standing__Output>
  Serve: MethodDefinition<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter, _chrysalis_v1_ServeFromWorker__Output, _chrysalis_v1_ServeFromRouter__Output>
}
