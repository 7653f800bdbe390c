using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>Dead-letters the messages that a full queue refused (overflow reject-publish-dlx). They never were in the queue's log. The publisher is refused all the same.</summary>
internal sealed class RefusedDeadLetters(CompetingQueue queue, byte[] sealedBatch, int firstRefused) : IThreadPoolWorkItem
{
    public void Execute()
    {
        using PublishTurn turn = queue.Host.CreatePublishTurn();
        var records = new RecordBatchReader(sealedBatch);
        for (int i = 0; records.TryRead(out RecordView record); i++)
        {
            if (i >= firstRefused)
            {
                MessageRecord.Read(record, out MessageView message);
                new DeadLetter(queue).Publish(turn, message, DeathReason.MaxLength);
            }
        }

        turn.Flush();
    }
}
