using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Tests.Groups;

namespace Sluice.Protocols.Kafka.Tests.Connections;

/// <summary>Producers wait while memory or disk run short, as publishers of other protocols do.</summary>
public sealed class ProducerBlockTests
{
    [Fact]
    public async Task A_producer_waits_until_there_is_room()
    {
        using var fixture = new GroupFixture();
        var block = new ProducerBlock(fixture.Broker, fixture.Clock);
        Assert.True(await block.WaitAsync(default));
        fixture.Broker.SetBlocked("low on disk");
        Task<bool> waiting = block.WaitAsync(default);
        fixture.Broker.SetBlocked("low on memory & disk");
        fixture.Advance((int)ProducerBlock.HoldMax.TotalMilliseconds - 1);
        Assert.False(waiting.IsCompleted);
        fixture.Broker.SetBlocked(null);
        Assert.True(await waiting);
    }

    [Fact]
    public async Task A_request_that_its_client_has_given_up_is_not_served_later()
    {
        using var fixture = new GroupFixture();
        fixture.Broker.SetBlocked("low on disk");
        Task<bool> waiting = new ProducerBlock(fixture.Broker, fixture.Clock).WaitAsync(default);
        fixture.Advance((int)ProducerBlock.HoldMax.TotalMilliseconds);
        Assert.False(await waiting);
    }

    [Fact]
    public async Task The_end_of_the_connection_ends_the_wait()
    {
        using var fixture = new GroupFixture();
        using var ended = new CancellationTokenSource();
        fixture.Broker.SetBlocked("low on disk");
        Task<bool> waiting = new ProducerBlock(fixture.Broker, fixture.Clock).WaitAsync(ended.Token);
        await ended.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }
}
