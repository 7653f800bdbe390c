using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>The answer to a produce request, held until what it acknowledges is kept. The journal is one sequence, so the last position stands for all.</summary>
internal sealed class PendingProduce(KafkaRequest request, bool isSilent) : IDurabilityListener
{
    private JournalPosition _position = JournalPosition.None;
    private Durability _promise = Durability.Memory;

    public ProduceResponse Response { get; } = new();

    /// <summary>Something was appended that the answer acknowledges.</summary>
    public void WaitFor(JournalPosition position, Durability promise)
    {
        _position = position > _position ? position : _position;
        _promise = promise > _promise ? promise : _promise;
    }

    /// <summary>The turn is over: answers, now or when all is kept.</summary>
    public void Finish(LogStore store)
    {
        if (isSilent)
        {
            if (_position != JournalPosition.None)
            {
                store.NotifyWhenKept(_position, _promise, this);
            }

            request.EndSilently();
            if (Response.Responses.Any(static topic => topic.PartitionResponses.Any(static partition => partition.ErrorCode != KafkaErrorCode.None)))
            {
                // Nobody waits for an answer: the end of the connection makes the producer ask what has changed, as Kafka does.
                request.Connection.Client.Abort("a produce request without acknowledgement failed");
            }

            return;
        }

        if (_position == JournalPosition.None || _promise == Durability.Memory)
        {
            request.Reply(Response);
            return;
        }

        store.NotifyWhenKept(_position, _promise, this);
    }

    void IDurabilityListener.OnKept(JournalPosition through)
    {
        if (!isSilent)
        {
            request.Reply(Response);
        }
    }

    void IDurabilityListener.OnFailed(Exception error)
    {
        if (isSilent)
        {
            return;
        }

        foreach (ProduceResponse.PartitionProduceResponse partition in Response.Responses.SelectMany(static topic => topic.PartitionResponses))
        {
            if (partition.ErrorCode == KafkaErrorCode.None)
            {
                partition.ErrorCode = KafkaErrorCode.KafkaStorageError;
                partition.BaseOffset = -1;
            }
        }

        request.Reply(Response);
    }
}
