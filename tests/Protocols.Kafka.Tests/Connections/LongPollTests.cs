using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Handlers;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Security;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Tests.Connections;

/// <summary>Requests that read and wait run on threads where nobody catches what goes wrong.</summary>
public sealed class LongPollTests
{
    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 2)]
    [InlineData(true, 3)]
    [InlineData(false, 1)]
    public void What_goes_wrong_ends_the_connection_and_no_more(bool isInMemory, int failsAt)
    {
        using var fixture = new GroupFixture();
        var control = new AccessControl(new EmptyStore(), NullLogger<AccessControl>.Instance);
        using KafkaServer server = fixture.Run(KafkaServer.CreateAsync(
            new KafkaOptions(),
            fixture.Broker,
            control,
            new Authenticator(control, new AuthenticatorOptions(), fixture.Clock, NullLogger<Authenticator>.Instance),
            fixture.Scheduler,
            fixture.Clock,
            new Random(1),
            NullLogger<KafkaServer>.Instance));
        var here = new IPEndPoint(IPAddress.Loopback, 9092);
        var posted = new Queue<IThreadPoolWorkItem>();
        var client = new ClientConnection(1, Stream.Null, new BlockPool(), new ConnectionWriterLimits(), here, here, tls: null, NullLogger.Instance, post: posted.Enqueue);
        var request = new KafkaRequest(new KafkaConnection(server, client), KafkaApis.Get(KafkaApiKey.Fetch), new KafkaRequestHeader((short)KafkaApiKey.Fetch, 13, 1, null), 0);
        var poll = new BrokenPoll(request, isInMemory, failsAt);
        poll.Start();
        fixture.Scheduler.RunAll();

        // Each time something is appended, it looks again.
        for (int i = 0; i < failsAt; i++)
        {
            ((IPartitionListener)poll).OnChanged(null!);
            while (posted.TryDequeue(out IThreadPoolWorkItem? item))
            {
                item.Execute();
            }
        }

        Assert.Equal(failsAt, poll.Attempts);
        Assert.Equal("Fetch failed by an error of the broker", client.AbortReason);
    }

    private sealed class BrokenPoll(KafkaRequest request, bool isInMemory, int failsAt) : LongPoll(request, 1000)
    {
        public int Attempts { get; private set; }

        protected override bool IsInMemory() => isInMemory;

        protected override bool TryAnswer(bool isOver) => ++Attempts == failsAt ? throw new IOException("the disk is broken") : false;

        protected override IEnumerable<TopicPartition> Watched() => [];
    }

    private sealed class EmptyStore : ISecurityStore
    {
        public IReadOnlyList<SecurityEntry> Load() => [];

        public ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes) => default;
    }
}
