using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>Fetch: finds out which partitions are asked for (KIP-227 sessions) and starts the operation that reads them or waits.</summary>
internal sealed class FetchHandler(KafkaServer server)
{
    public void Handle(KafkaRequest request, FetchRequest body)
    {
        if (body.ReplicaId >= 0 || body.ReplicaState is { ReplicaId: >= 0 })
        {
            request.Reply(new FetchResponse { ErrorCode = KafkaErrorCode.InvalidRequest });
            return;
        }

        KafkaErrorCode error = server.FetchSessions.TryOpen(request, body, out FetchSession? session);
        if (error != KafkaErrorCode.None)
        {
            request.Reply(new FetchResponse { ErrorCode = error });
            return;
        }

        new FetchOperation(request, body, session!).Start();
    }
}
