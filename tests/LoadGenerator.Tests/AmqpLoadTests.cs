using System.Net;
using System.Net.Sockets;
using Sluice.LoadGenerator.Client;
using Xunit;

namespace Sluice.LoadGenerator.Tests;

public sealed class AmqpLoadTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(300_000)]
    public void All_that_is_published_is_consumed_and_acknowledged(int bodyBytes)
    {
        using LoopbackBroker broker = new();
        AmqpLoadResult result = AmqpLoad.Run(Options(broker) with { BodyBytes = bodyBytes, MessageCount = 250, AcknowledgeEvery = 100, ConfirmWindow = 20 });
        Assert.Empty(result.Problems);
        Assert.Equal((250, 250, 250), (result.TotalPublished, result.TotalConfirmed, result.TotalConsumed));
        Assert.Equal(250ul, broker.Acknowledged);
        Assert.Equal(bodyBytes >= 8 ? 250 : null, result.Latency?.Count);
        Assert.Equal(250, result.ConfirmLatency?.Count);
    }

    [Fact]
    public void A_rate_is_kept()
    {
        using LoopbackBroker broker = new();
        AmqpLoadResult result = AmqpLoad.Run(Options(broker) with { Rate = 500, Seconds = 1, WarmUpSeconds = 0.2, AutoAcknowledge = true });
        Assert.Empty(result.Problems);
        Assert.InRange(result.TotalPublished, 300, 700);
        Assert.Null(result.ConfirmLatency);
    }

    [Fact]
    public void A_fill_and_a_drain_add_up()
    {
        using LoopbackBroker broker = new();
        AmqpLoadResult fill = AmqpLoad.Run(Options(broker) with { Consumers = 0, MessageCount = 100 });
        AmqpLoadResult drain = AmqpLoad.Run(Options(broker) with { Producers = 0, MessageCount = 100 });
        Assert.Equal((100, 100), (fill.TotalPublished, drain.TotalConsumed));
        Assert.Empty(fill.Problems.Concat(drain.Problems));
    }

    [Fact]
    public void A_lost_message_is_a_problem()
    {
        using LoopbackBroker broker = new() { Lose = 60 };
        AmqpLoadResult result = AmqpLoad.Run(Options(broker) with { MessageCount = 100, IdleSeconds = 0.5 });
        Assert.Equal("1 messages were published and not delivered", Assert.Single(result.Problems));
    }

    [Fact]
    public void A_message_delivered_twice_is_a_problem()
    {
        using LoopbackBroker broker = new() { Double = 60 };
        AmqpLoadResult result = AmqpLoad.Run(Options(broker) with { MessageCount = 100 });
        Assert.Equal("1 more messages were delivered than published", Assert.Single(result.Problems));
    }

    [Fact]
    public void A_refused_message_is_a_problem()
    {
        using LoopbackBroker broker = new() { Nack = 60 };
        AmqpLoadResult result = AmqpLoad.Run(Options(broker) with { MessageCount = 100, ConfirmWindow = 10, IdleSeconds = 0.5 });
        Assert.Equal((99, 1), (result.TotalConfirmed, result.TotalNacked));
        Assert.Contains("the server refused to keep 1 messages (nack)", result.Problems);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    public void The_servers_reason_for_closing_a_channel_is_told(int confirmWindow)
    {
        using LoopbackBroker broker = new() { CloseChannelAt = 60 };
        AmqpClosedException error = Assert.Throws<AmqpClosedException>(() => AmqpLoad.Run(Options(broker) with { MessageCount = 10_000, ConfirmWindow = confirmWindow }));
        Assert.Equal(404, error.Code);
        Assert.Contains("NOT_FOUND - no exchange 'x'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_listening_is_said_with_the_address()
    {
        using TcpListener unused = new(IPAddress.Loopback, 0);
        unused.Start();
        int port = ((IPEndPoint)unused.LocalEndpoint).Port;
        unused.Stop();
        AmqpUnreachableException error = Assert.Throws<AmqpUnreachableException>(() => AmqpLoad.Run(new AmqpLoadOptions { Server = new AmqpClientOptions { Port = port } }));
        Assert.Contains($"127.0.0.1:{port}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_that_could_never_end_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new AmqpLoadOptions { Prefetch = 10, AcknowledgeEvery = 100 }.Validate());
        Assert.Throws<ArgumentException>(() => new AmqpLoadOptions { Queues = 2 }.Validate());
        Assert.Throws<ArgumentException>(() => new AmqpLoadOptions { Producers = 0, Consumers = 0 }.Validate());
    }

    [Fact]
    public void Settings_of_a_command_line_reach_the_options()
    {
        string[] given = ["size=100", "queue-arg=x-queue-type=quorum", "queue-arg=x-max-length=5", "rate=7", "persistent="];
        AmqpLoadOptions options = given.Aggregate(new AmqpLoadOptions(), (all, one) =>
        {
            string[] parts = one.Split('=', 2);
            return AmqpLoadSettings.All.Single(setting => setting.Name == parts[0]).Apply(all, parts[1]);
        });
        Assert.Equal((100, 7, true), (options.BodyBytes, options.Rate, options.Persistent));
        Assert.Equal("quorum", options.QueueArguments["x-queue-type"]);
        Assert.Equal(5L, options.QueueArguments["x-max-length"]);
    }

    private static AmqpLoadOptions Options(LoopbackBroker broker) =>
        new() { Server = new AmqpClientOptions { Port = broker.Port, TimeoutMs = 10_000 }, QueueName = "q" };
}
