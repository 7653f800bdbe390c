using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>The answer to a produce request, held until what it acknowledges is kept. The journal is one sequence, so the last position stands for all.</summary>
internal sealed class PendingProduce(KafkaRequest request, bool isSilent) : IDurabilityListener
{
    private readonly long _begunAt = request.Server.Clock.GetTimestamp();
    private readonly List<(TopicPartition Partition, ProduceResponse.PartitionProduceResponse Response)> _appended = new(1);
    private JournalPosition _position = JournalPosition.None;
    private Durability _promise = Durability.Memory;
    private long _records;
    private long _bytes;

    public ProduceResponse Response { get; } = new();

    /// <summary>Something was appended that the answer acknowledges.</summary>
    public void WaitFor(TopicPartition partition, ProduceResponse.PartitionProduceResponse response, JournalPosition position, Durability promise)
    {
        _appended.Add((partition, response));
        _position = position > _position ? position : _position;
        _promise = promise > _promise ? promise : _promise;
    }

    /// <summary>A batch was appended, for the first time.</summary>
    public void Count(int records, int bytes)
    {
        _records += records;
        _bytes += bytes;
    }

    /// <summary>The turn is over: answers, now or when all is kept.</summary>
    public void Finish(LogStore store)
    {
        request.Server.Metrics.CountProduced(_records, _bytes);
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
            Reply();
            return;
        }

        store.NotifyWhenKept(_position, _promise, this);
    }

    void IDurabilityListener.OnKept(JournalPosition through)
    {
        if (isSilent)
        {
            return;
        }

        foreach ((TopicPartition partition, ProduceResponse.PartitionProduceResponse response) in _appended)
        {
            if (partition.Failure is not null)
            {
                Refuse(response);
            }
        }

        Reply();
    }

    void IDurabilityListener.OnFailed(Exception error)
    {
        if (isSilent)
        {
            return;
        }

        foreach ((_, ProduceResponse.PartitionProduceResponse response) in _appended)
        {
            Refuse(response);
        }

        Reply();
    }

    private void Reply()
    {
        request.Server.Metrics.ProduceTime.Add(request.Server.Clock.GetElapsedTime(_begunAt));
        request.Reply(Response);
    }

    private static void Refuse(ProduceResponse.PartitionProduceResponse response)
    {
        response.ErrorCode = KafkaErrorCode.KafkaStorageError;
        response.BaseOffset = -1;
    }
}
