using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>GetTelemetrySubscriptions, PushTelemetry (KIP-714). As with Kafka every client that is admitted may.</summary>
internal sealed class TelemetryHandler(KafkaServer server)
{
    private readonly sbyte[] _compressions = [.. ClientTelemetry.Compressions.Select(static type => (sbyte)type)];

    public GetTelemetrySubscriptionsResponse Handle(KafkaRequest request, GetTelemetrySubscriptionsRequest body)
    {
        Guid id = body.ClientInstanceId == Guid.Empty ? server.NewId() : body.ClientInstanceId;
        KafkaErrorCode error = server.Telemetry.Ask(ClientOf(request, id), request.Connection.Client.Id, out RequestedMetrics requested);
        return error != KafkaErrorCode.None ? new GetTelemetrySubscriptionsResponse { ErrorCode = error } : new GetTelemetrySubscriptionsResponse
        {
            ClientInstanceId = id,
            SubscriptionId = requested.Id,
            AcceptedCompressionTypes = _compressions,
            PushIntervalMs = requested.IntervalMs,
            TelemetryMaxBytes = server.Options.Telemetry.PushBytesMax,

            // Sums come as what they are since the client's start: then the newest says everything.
            DeltaTemporality = false,
            RequestedMetrics = [.. requested.Metrics],
        };
    }

    public PushTelemetryResponse Handle(KafkaRequest request, PushTelemetryRequest body) =>
        new() { ErrorCode = server.Telemetry.Push(ClientOf(request, body.ClientInstanceId), request.Connection.Client.Id, body) };

    private static TelemetryClient ClientOf(KafkaRequest request, Guid id)
    {
        (string name, string version) = request.Connection.ClientSoftware;
        return new TelemetryClient(id, request.Header.ClientId is { } client ? TelemetryClient.Cut(client) : null, name, version, request.Connection.Client.RemoteEndPoint);
    }
}
