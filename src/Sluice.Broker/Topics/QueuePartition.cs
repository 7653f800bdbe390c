using System.Buffers;
using System.Text;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.Storage.Producers;
using Sluice.Storage.Records;

namespace Sluice.Broker.Topics;

/// <summary>
/// A classic or quorum queue, or one priority of it, as log clients see it: they read what waits in it without taking it, and what they append is published to the queue, with
/// its limits, time to live and dead-lettering. What is settled is a hole in the partition.
/// </summary>
internal sealed class QueuePartition : TopicPartition
{
    /// <summary>Idempotent producers whose sequence numbers a partition remembers.</summary>
    private const int ProducersMax = 1000;

    private readonly CompetingQueue _queue;
    private readonly Lane _lane;
    private readonly Lock _publishing = new();
    private readonly byte[] _routingKey;
    private ProducerSequences? _producers;

    public QueuePartition(CompetingQueue queue, Lane lane)
        : base(lane.Level, queue, lane.Log)
    {
        _queue = queue;
        _lane = lane;
        _routingKey = Encoding.UTF8.GetBytes(queue.Name);
    }

    public override bool IsQueue => true;

    /// <summary>Offset of the oldest message that is not settled.</summary>
    public override long StartOffset => Math.Max(base.StartOffset, _lane.Cursor.Floor);

    /// <summary>
    /// Publishes the records to the queue: all, or none if the queue refuses one (<see cref="PartitionStatus.Refused"/>). Their offsets are not known.
    /// Batches must not be compressed and belong to no transaction.
    /// </summary>
    public override PartitionStatus Append(ReadOnlySpan<byte> batch, Durability promise, out long baseOffset, out JournalPosition position, bool mayWriteThrough = false)
    {
        baseOffset = -1;
        position = JournalPosition.None;
        lock (_publishing)
        {
            if (!IsOpen)
            {
                return PartitionStatus.Deleted;
            }

            bool hasProducer = RecordBatch.ProducerId(batch) != RecordBatch.NoProducerId;
            if (hasProducer && _producers?.Check(batch) is { } check && check != ProducerCheck.Ok)
            {
                position = check == ProducerCheck.Duplicate ? _queue.Host.Store.EndPosition : JournalPosition.None;
                return Of(check);
            }

            using var turn = new PublishTurn(_queue.Host) { IsGroup = true };
            PartitionStatus status = Stage(batch, promise, turn);
            if (status != PartitionStatus.Ok)
            {
                return status;
            }

            TurnResult result = turn.Commit([]);
            if (result.Failure is not null)
            {
                return PartitionStatus.Failed;
            }

            if (result.Rejected is not null)
            {
                return PartitionStatus.Refused;
            }

            position = result.Position;
            if (hasProducer)
            {
                (_producers ??= new ProducerSequences(ProducersMax)).Add(batch);
            }

            return PartitionStatus.Ok;
        }
    }

    /// <summary>Messages in the form that topics have (docs/protocols/mapping.md), written anew. May wait for the disk.</summary>
    public override LogSlice? Read(long offset, int bytesMax, long endOffset = long.MaxValue) => new QueueReader(_queue, _lane).Read(offset, bytesMax, endOffset);

    public override JournalPosition DeleteBefore(long offset) => throw new NotSupportedException("What is in a queue goes by being settled.");

    private PartitionStatus Stage(ReadOnlySpan<byte> batch, Durability promise, PublishTurn turn)
    {
        var records = new RecordBatchReader(batch);
        var properties = new ArrayBufferWriter<byte>();
        while (records.TryRead(out RecordView record))
        {
            properties.ResetWrittenCount();
            KafkaProperties.Write(record, properties);
            PublishOutcome outcome = turn.Publish(
                new MessageToPublish
                {
                    RoutingKey = _routingKey,
                    Format = PropertiesFormat.Kafka,
                    Properties = properties.WrittenSpan,
                    Body = record.Value,
                    Persistent = promise > Durability.Memory,
                    Confirmed = promise == Durability.Disk,
                    Priority = (byte)Index,
                },
                ticket: 0);
            if (outcome != PublishOutcome.Routed)
            {
                return outcome == PublishOutcome.TooLarge ? PartitionStatus.Refused : PartitionStatus.Deleted;
            }
        }

        return PartitionStatus.Ok;
    }
}
