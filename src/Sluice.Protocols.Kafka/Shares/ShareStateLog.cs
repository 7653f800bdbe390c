using Microsoft.Extensions.Logging;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>
/// One partition of the internal topic, which keeps positions: what changes them is appended, and after so many changes all is written anew and what came before is given up.
/// Guarded by its shard's lock, but for reading.
/// </summary>
internal sealed class ShareStateLog(TopicPartition partition, ShareContext context, ShareTable table)
{
    /// <summary>After so many updates all is written anew.</summary>
    private const int UpdatesMax = 1000, UpdatesMaxPerPartition = 4;

    private readonly GroupRecordWriter _writer = new(context.Buffers);
    private JournalPosition _last = JournalPosition.None;

    public TopicPartition Partition => partition;

    /// <summary>Records since all was written anew.</summary>
    public int Updates { get; set; }

    /// <summary>Hands over every record, in order; returns how many there are. Blocks on the disk.</summary>
    /// <exception cref="IOException">The log cannot be read, or is damaged.</exception>
    public int ReadAll(Action<GroupRecord> onRecord)
    {
        int records = 0;
        var unreadable = new UnreadableRecords(partition, context.Logger);
        BatchScan.ReadAll(partition, batch =>
        {
            if (RecordBatch.IsControl(batch.Span))
            {
                return;
            }

            var reader = new RecordBatchReader(batch.Span);
            while (reader.TryRead(out RecordView record))
            {
                if (record.HasKey)
                {
                    byte[] key = record.Key.ToArray();
                    ReadOnlyMemory<byte>? value = record.HasValue ? (ReadOnlyMemory<byte>?)record.Value.ToArray() : null;
                    unreadable.Try(() =>
                    {
                        if (GroupRecord.ReadShareState(key, value) is { } known)
                        {
                            onRecord(known);
                        }
                    });
                }

                records++;
            }
        });
        unreadable.Report();
        return records;
    }

    /// <summary>Emits all there is to say of a position.</summary>
    public void EmitSnapshot(SharePartition position, GroupTurn turn)
    {
        position.SnapshotEpoch++;
        position.Cursor.TakeChanges();
        position.KeptStartOffset = position.Cursor.StartOffset;
        turn.Emit(ShareStateRecords.Snapshot(position, context.NowMs));
    }

    /// <summary>Emits what has changed, if anything has.</summary>
    public static void Emit(SharePartition position, GroupTurn turn)
    {
        DeliveryRun[] changes = position.Cursor.TakeChanges();
        if (changes.Length > 0 || position.Cursor.StartOffset != position.KeptStartOffset)
        {
            position.KeptStartOffset = position.Cursor.StartOffset;
            turn.Emit(ShareStateRecords.Update(position, changes));
        }
    }

    /// <summary>Fixes the order of what the turn has emitted; false if that failed. <paramref name="position"/> is what its answers wait for.</summary>
    public bool TryAppend(GroupTurn turn, out JournalPosition position)
    {
        position = turn.TellsOfEarlier ? _last : JournalPosition.None;
        if (turn.Records.Count == 0)
        {
            return true;
        }

        Updates += turn.Records.Count;
        long keptFrom = partition.EndOffset + turn.Records.Count;
        bool isWhole = Updates > Math.Max(UpdatesMax, UpdatesMaxPerPartition * table.Partitions.Count);
        if (isWhole)
        {
            EmitAll(turn);
            Updates = 0;
        }

        PartitionStatus status = _writer.Append(partition, turn.Records, BatchProducer.None, context.Promise, context.NowMs, ref _last);
        position = _last;
        if (status != PartitionStatus.Ok)
        {
            turn.HasFailed = true;
            context.Logger.LogError("Partition {Partition} of topic {Topic} takes no records ({Status}): its share groups are not served any more", partition.Index, partition.Topic.Name, status);
            return false;
        }

        if (isWhole)
        {
            partition.DeleteBefore(Math.Min(keptFrom, partition.EndOffset));
        }

        return true;
    }

    /// <summary>What the turn waits for has its order: tells it when that is kept. Without locks.</summary>
    public void Complete(GroupTurn turn, JournalPosition position)
    {
        if (turn.HasFailed)
        {
            turn.Refuse();
        }
        else if (position == JournalPosition.None)
        {
            turn.Give();
        }
        else
        {
            context.Store.NotifyWhenKept(position, context.Promise, turn);
        }
    }

    /// <summary>Writes all anew; what is of topics that are gone is forgotten.</summary>
    private void EmitAll(GroupTurn turn)
    {
        foreach (SharePartition position in table.Partitions.ToArray())
        {
            if (context.Topics.Find(position.Key.TopicId) is null)
            {
                table.End(position, turn);
            }
            else
            {
                EmitSnapshot(position, turn);
            }
        }
    }
}
