using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Transactions;

/// <summary>Whenever the power fails, a transaction is there whole or not at all, and none is open that the coordinator does not know.</summary>
public sealed class CrashTests
{
    private const int TransactionsMax = 6;

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void A_crash_between_any_two_operations_of_the_disk_leaves_transactions_whole(CrashKind kind)
    {
        int committed = 0;
        int operations = int.MaxValue;
        for (int crashAt = 1; crashAt <= operations; crashAt++)
        {
            using var fixture = new TransactionFixture();
            fixture.CreateTopic("t", 2);
            int done = 0;
            fixture.Disk.Fault = _ => ++done >= crashAt ? new IOException("the power has failed") : null;
            int acknowledged = Work(fixture);
            operations = done < crashAt ? 0 : operations;
            fixture.Disk.Fault = null;
            fixture.Crash(kind);
            committed += Check(fixture, acknowledged, crashAt);
        }

        Assert.True(committed > TransactionsMax);
    }

    /// <summary>Each transaction writes its number to two partitions and as a group's offset; every third is rolled back. Returns how many commits were acknowledged.</summary>
    private static int Work(TransactionFixture fixture)
    {
        int acknowledged = 0;
        try
        {
            ProducerIdentity producer = fixture.Initialize("a");
            for (int i = 1; i <= TransactionsMax; i++)
            {
                string value = i.ToString();
                bool isCommit = i % 3 != 0;
                Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 0, value));
                Assert.Equal(KafkaErrorCode.None, fixture.CommitOffset("a", producer, "g", "t", 0, i));
                Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 1, value));
                if (i == TransactionsMax / 2)
                {
                    fixture.Store.Checkpoint();
                }

                EndTxnResponse ended = fixture.End("a", producer, isCommit);
                Assert.Equal(KafkaErrorCode.None, ended.ErrorCode);
                producer = new ProducerIdentity(ended.ProducerId, ended.ProducerEpoch);
                acknowledged += isCommit ? 1 : 0;
            }
        }
        catch (Exception error) when (error is IOException or Xunit.Sdk.XunitException)
        {
            // The disk has failed: nothing is acknowledged from then on.
        }

        return acknowledged;
    }

    private static int Check(TransactionFixture fixture, int acknowledged, int crashAt)
    {
        Assert.Empty(fixture.Hanging());
        string[] first = fixture.Committed("t", 0);
        Assert.Equal(first, fixture.Committed("t", 1));
        Assert.True(first.Length >= acknowledged, $"Crash at operation {crashAt}: of {acknowledged} transactions acknowledged {first.Length} are there.");
        Assert.DoesNotContain(first, static value => int.Parse(value) % 3 == 0);

        // What is open is rolled back in time, and then offsets are what the last commit said.
        fixture.Advance(TransactionFixture.TimeoutMs);
        Assert.All(fixture.Host.FindTopic("t")!.Partitions, static partition => Assert.Equal(partition.EndOffset, partition.LastStableOffset));
        Assert.Equal(first, fixture.Committed("t", 0));
        Assert.Equal(first.Length == 0 ? -1 : long.Parse(first[^1]), fixture.Offset("g", "t", 0));
        return first.Length;
    }
}
