using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>Refused operations: RabbitMQ's codes and words, and what they close.</summary>
public sealed class ErrorTests : IAsyncLifetime
{
    private TestServer _server = null!;
    private IConnection _connection = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        _connection = await _server.ConnectAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _server.DisposeAsync();
        Assert.Empty(_server.Log.Errors);
    }

    [Fact]
    public Task A_queue_that_is_not_there() =>
        RefusedAsync(404, "NOT_FOUND - no queue 'x' in vhost '/'", channel => channel.QueueDeclarePassiveAsync("x"));

    [Fact]
    public Task An_exchange_that_is_not_there() =>
        RefusedAsync(404, "NOT_FOUND - no exchange 'x' in vhost '/'", channel => channel.ExchangeDeclarePassiveAsync("x"));

    [Fact]
    public async Task A_queue_declared_differently()
    {
        await WithChannelAsync(channel => channel.QueueDeclareAsync("d", durable: true, exclusive: false, autoDelete: false));
        await RefusedAsync(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'd' in vhost '/': received 'false' but current is 'true'",
            channel => channel.QueueDeclareAsync("d", durable: false, exclusive: false, autoDelete: false));
    }

    [Fact]
    public Task A_queue_argument_that_is_not_known() =>
        RefusedAsync(406, "PRECONDITION_FAILED - invalid arg 'x-nonsense'", channel => channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-nonsense"] = 1 }));

    [Fact]
    public async Task A_consumer_argument_that_is_not_known()
    {
        await WithChannelAsync(channel => channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false));
        await RefusedAsync(406, "PRECONDITION_FAILED - invalid arg 'x-nonsense' for queue 'q' in vhost '/'", channel => ConsumeAsync(channel, "q", ("x-nonsense", 1)));
        await RefusedAsync(406, "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/'", channel => ConsumeAsync(channel, "q", ("x-stream-offset", "first")));
        await RefusedAsync(406, "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/'", channel => ConsumeAsync(channel, "q", ("x-priority", "high")));
    }

    [Fact]
    public Task Reserved_names()
    {
        return Task.WhenAll(
            RefusedAsync(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'", channel => channel.QueueDeclareAsync("amq.mine", durable: false, exclusive: false, autoDelete: false)),
            RefusedAsync(403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'", channel => channel.ExchangeDeclareAsync("amq.mine", "direct")),
            RefusedAsync(403, "ACCESS_REFUSED - operation not permitted on the default exchange", channel => channel.ExchangeDeclareAsync("", "direct")),
            RefusedAsync(403, "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed", channel => channel.ExchangeDeleteAsync("amq.direct")));
    }

    [Fact]
    public async Task An_unknown_delivery_tag()
    {
        await using IChannel channel = await _connection.CreateChannelAsync();
        var closed = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        channel.ChannelShutdownAsync += (_, args) =>
        {
            closed.TrySetResult(args.ReplyText);
            return Task.CompletedTask;
        };
        await channel.BasicAckAsync(5, multiple: false);
        Assert.Equal("PRECONDITION_FAILED - unknown delivery tag 5", await closed.Task.WaitAsync(Eventually.Limit, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("abc", "expected an integer, in milliseconds")]
    [InlineData("1s", "expected an integer, in milliseconds")]
    [InlineData("-1", "expected at least 0")]
    [InlineData("99999999999", "expected at most 4294967295")]
    public async Task An_expiration_that_is_none(string expiration, string problem)
    {
        await using IChannel channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        var refused = await Assert.ThrowsAnyAsync<Exception>(async () => await channel.BasicPublishAsync("", "q", mandatory: false, new BasicProperties { Expiration = expiration }, ReadOnlyMemory<byte>.Empty));
        Assert.NotNull(refused);
        await Eventually.TrueAsync(() => channel.CloseReason is not null, "channel closed");
        Assert.Equal(406, channel.CloseReason!.ReplyCode);
        Assert.Equal($"PRECONDITION_FAILED - invalid expiration '{expiration}': {problem}", channel.CloseReason.ReplyText);
    }

    [Fact]
    public async Task A_user_id_of_somebody_else()
    {
        await using IChannel channel = await _connection.CreateChannelAsync();
        await channel.BasicPublishAsync("", "q", mandatory: false, new BasicProperties { UserId = "guest" }, ReadOnlyMemory<byte>.Empty);
        await channel.BasicPublishAsync("", "q", mandatory: false, new BasicProperties { UserId = "root" }, ReadOnlyMemory<byte>.Empty);
        await Eventually.TrueAsync(() => channel.CloseReason is not null, "channel closed");
        Assert.Equal("PRECONDITION_FAILED - user_id property set to 'root' but authenticated user was 'guest'", channel.CloseReason!.ReplyText);
    }

    [Fact]
    public async Task Streams_want_prefetch_and_acknowledgements_and_have_no_get()
    {
        await WithChannelAsync(channel => channel.QueueDeclareAsync("s", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "stream" }));
        await RefusedAsync(406, "PRECONDITION_FAILED - consumer prefetch count is not set for stream queue 's' in vhost '/'", channel => ConsumeAsync(channel, "s"));
        await using IConnection connection = await _server.ConnectAsync();
        await using IChannel channel = await connection.CreateChannelAsync();
        var refused = await Assert.ThrowsAsync<OperationInterruptedException>(() => channel.BasicGetAsync("s", autoAck: true));
        Assert.Equal(540, refused.ShutdownReason!.ReplyCode);
        Assert.False(connection.IsOpen);
    }

    [Fact]
    public async Task A_second_exclusive_consumer()
    {
        await using IChannel first = await _connection.CreateChannelAsync();
        await first.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        await first.BasicConsumeAsync("q", autoAck: true, "", noLocal: false, exclusive: true, null, new Ignoring(first));
        await RefusedAsync(403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use", channel => ConsumeAsync(channel, "q"));
    }

    [Fact]
    public async Task A_consumer_tag_used_twice_ends_the_connection()
    {
        await using IConnection connection = await _server.ConnectAsync();
        await using IChannel channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: true);
        await channel.BasicConsumeAsync("q", autoAck: true, "tag", new Ignoring(channel));
        var refused = await Assert.ThrowsAsync<OperationInterruptedException>(() => channel.BasicConsumeAsync("q", autoAck: true, "tag", new Ignoring(channel)));
        Assert.Equal((530, "NOT_ALLOWED - attempt to reuse consumer tag 'tag'"), (refused.ShutdownReason!.ReplyCode, refused.ShutdownReason.ReplyText));
    }

    [Fact]
    public async Task Modes_do_not_mix()
    {
        await RefusedAsync(406, "PRECONDITION_FAILED - channel is not transactional", channel => channel.TxCommitAsync());
        await using IChannel confirming = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false));
        var refused = await Assert.ThrowsAsync<OperationInterruptedException>(() => confirming.TxSelectAsync());
        Assert.Equal("PRECONDITION_FAILED - cannot switch from confirm to tx mode", refused.ShutdownReason!.ReplyText);
    }

    [Fact]
    public async Task A_queue_in_use_or_not_empty_is_not_deleted_if_so_asked()
    {
        await using IChannel channel = await _connection.CreateChannelAsync();
        await channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        await channel.BasicPublishAsync("", "q", ReadOnlyMemory<byte>.Empty);
        await RefusedAsync(406, "PRECONDITION_FAILED - queue 'q' in vhost '/'", other => other.QueueDeleteAsync("q", ifUnused: false, ifEmpty: true));
        Assert.Equal(0u, await channel.QueueDeleteAsync("none", ifUnused: false, ifEmpty: false));
        Assert.Equal(1u, await channel.QueueDeleteAsync("q", ifUnused: false, ifEmpty: false));
    }

    [Fact]
    public async Task What_a_user_may_not_do()
    {
        await _server.AddUserAsync("small", "^small", "^(small|amq\\.default)", "^small");
        await using IConnection connection = await _server.ConnectAsync("small", "small");
        await WithChannelAsync(channel => channel.QueueDeclareAsync("other", durable: false, exclusive: false, autoDelete: false));
        await RefusedAsync(403, "ACCESS_REFUSED - configure access to queue 'big' in vhost '/' refused for user 'small'", channel => channel.QueueDeclareAsync("big", durable: false, exclusive: false, autoDelete: false), connection);
        await RefusedAsync(403, "ACCESS_REFUSED - read access to queue 'other' in vhost '/' refused for user 'small'", channel => ConsumeAsync(channel, "other"), connection);
        await RefusedAsync(403, "ACCESS_REFUSED - configure access to exchange 'big' in vhost '/' refused for user 'small'", channel => channel.ExchangeDeclareAsync("big", "direct"), connection);
        await using IChannel publisher = await connection.CreateChannelAsync();
        await publisher.QueueDeclareAsync("small", durable: false, exclusive: false, autoDelete: false);
        await publisher.BasicPublishAsync("", "small", ReadOnlyMemory<byte>.Empty);
        await publisher.BasicPublishAsync("amq.fanout", "", ReadOnlyMemory<byte>.Empty);
        await Eventually.TrueAsync(() => publisher.CloseReason is not null, "channel closed");
        Assert.Equal("ACCESS_REFUSED - write access to exchange 'amq.fanout' in vhost '/' refused for user 'small'", publisher.CloseReason!.ReplyText);
        Assert.Equal(1, _server.Host.FindQueue("small", null).Value!.ReadyCount);
    }

    [Fact]
    public async Task Topics_a_user_may_not_publish_to()
    {
        await _server.AddUserAsync("news", ".*", ".*", ".*");
        await _server.AccessControl.PutTopicPermissionAsync(new Security.TopicPermission("news", "/", "amq.topic", "^sports\\.", "^sports\\."));
        await using IConnection connection = await _server.ConnectAsync("news", "news");
        await using IChannel channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        await channel.QueueBindAsync("q", "amq.topic", "sports.#");
        await RefusedAsync(403, "ACCESS_REFUSED - read access to topic 'politics.#' in exchange 'amq.topic' in vhost '/' refused for user 'news'", other => other.QueueBindAsync("q", "amq.topic", "politics.#"), connection);
        await channel.BasicPublishAsync("amq.topic", "sports.golf", ReadOnlyMemory<byte>.Empty);
        await channel.BasicPublishAsync("amq.topic", "politics.golf", ReadOnlyMemory<byte>.Empty);
        await Eventually.TrueAsync(() => channel.CloseReason is not null, "channel closed");
        Assert.Equal("ACCESS_REFUSED - write access to topic 'politics.golf' in exchange 'amq.topic' in vhost '/' refused for user 'news'", channel.CloseReason!.ReplyText);
        Assert.Equal(1, _server.Host.FindQueue("q", null).Value!.ReadyCount);
    }

    [Fact]
    public async Task A_virtual_host_that_is_not_there_or_not_allowed()
    {
        Assert.Equal("NOT_ALLOWED - vhost none not found", await RefusedHostAsync("none"));
        await _server.Broker.CreateVirtualHostAsync("closed");
        Assert.Equal("NOT_ALLOWED - access to vhost 'closed' refused for user 'guest'", await RefusedHostAsync("closed"));
    }

    [Fact]
    public async Task A_wrong_password()
    {
        Exception refused = await Assert.ThrowsAsync<BrokerUnreachableException>(() => _server.ConnectAsync("guest", "wrong"));
        Assert.Contains("ACCESS_REFUSED", refused.ToString(), StringComparison.Ordinal);
    }

    private static Task ConsumeAsync(IChannel channel, string queue, params (string Name, object Value)[] arguments) =>
        channel.BasicConsumeAsync(queue, autoAck: false, "", noLocal: false, exclusive: false, arguments.ToDictionary(one => one.Name, one => (object?)one.Value), new Ignoring(channel));

    private async Task WithChannelAsync(Func<IChannel, Task> act)
    {
        await using IChannel channel = await _connection.CreateChannelAsync();
        await act(channel);
    }

    private async Task<string> RefusedHostAsync(string name)
    {
        // The client does not wait for connection.open-ok: it learns of the refusal a moment later.
        ConnectionFactory factory = _server.Factory();
        factory.VirtualHost = name;
        await using IConnection connection = await factory.CreateConnectionAsync();
        await Eventually.TrueAsync(() => connection.CloseReason is not null, "connection closed");
        Assert.Equal(530, connection.CloseReason!.ReplyCode);
        return connection.CloseReason.ReplyText;
    }

    /// <summary>The channel is closed with these words and the connection goes on.</summary>
    private async Task RefusedAsync(int code, string text, Func<IChannel, Task> act, IConnection? connection = null)
    {
        connection ??= _connection;
        await using IChannel channel = await connection.CreateChannelAsync();
        var refused = await Assert.ThrowsAsync<OperationInterruptedException>(() => act(channel));
        Assert.Equal(code, refused.ShutdownReason!.ReplyCode);
        Assert.StartsWith(text, refused.ShutdownReason.ReplyText, StringComparison.Ordinal);
        Assert.True(connection.IsOpen);
        await using IChannel next = await connection.CreateChannelAsync();
    }

    private sealed class Ignoring(IChannel channel) : AsyncDefaultBasicConsumer(channel);
}
