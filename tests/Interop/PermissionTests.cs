using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;
using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>A user made by the operator, by command or over HTTP, meets its permissions over AMQP.</summary>
public sealed class PermissionTests : IAsyncLifetime
{
    private const string User = "limited";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private BrokerProcess? _started;

    private BrokerProcess Broker => _started!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerTarget.IsRabbitMq, "this test starts its own broker");
        _started = await BrokerProcess.StartAsync();
        await using IConnection connection = await ConnectAsync("guest", "guest");
        await using IChannel channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync("other.q", durable: true, exclusive: false, autoDelete: false);
        await channel.ExchangeDeclareAsync("other.x", "direct", durable: true);
    }

    public async ValueTask DisposeAsync()
    {
        if (_started is not null)
        {
            Assert.Empty(_started.ErrorLines);
            await _started.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_user_made_by_the_command_may_do_what_it_was_permitted_and_gets_403_for_the_rest()
    {
        await SluiceAsync("user", "add", User, "--new-password", "secret");
        Assert.Equal("NOT_ALLOWED - access to vhost '/' refused for user 'limited'", await RefusedHostAsync());
        await SluiceAsync("user", "permit", User, "--configure", "^own\\.", "--write", @"^own\.|^amq\.default$", "--read", "^own\\.");

        await using IConnection connection = await ConnectAsync(User, "secret");
        await AssertMayUseItsOwnAsync(connection);
        await RefusedAsync(connection, "configure access to queue 'other.q'", c => c.QueueDeclareAsync("other.q", durable: true, exclusive: false, autoDelete: false));
        await RefusedAsync(connection, "configure access to queue 'other.q'", c => c.QueueDeleteAsync("other.q"));
        await RefusedAsync(connection, "configure access to exchange 'other.new'", c => c.ExchangeDeclareAsync("other.new", "direct"));
        await RefusedAsync(connection, "configure access to exchange 'other.x'", c => c.ExchangeDeleteAsync("other.x"));
        await RefusedAsync(connection, "write access to exchange 'other.x'", c => PublishAsync(c, "other.x", "k"));
        await RefusedAsync(connection, "write access to queue 'other.q'", c => c.QueueBindAsync("other.q", "own.x", "k"));
        await RefusedAsync(connection, "write access to exchange 'other.x'", c => c.ExchangeBindAsync("other.x", "own.x", "k"));
        await RefusedAsync(connection, "read access to exchange 'other.x'", c => c.QueueBindAsync("own.q", "other.x", "k"));
        await RefusedAsync(connection, "read access to queue 'other.q'", c => c.BasicGetAsync("other.q", autoAck: true));
        await RefusedAsync(connection, "read access to queue 'other.q'", c => c.BasicConsumeAsync("other.q", autoAck: true, new AsyncEventingBasicConsumer(c)));
        await RefusedAsync(connection, "read access to queue 'other.q'", c => c.QueuePurgeAsync("other.q"));
        await RefusedAsync(connection, "read access to queue 'other.q'", c => ShareAsync(c, "other.q", "own.group"));
        await RefusedAsync(connection, "read access to share group 'other.group'", c => ShareAsync(c, "own.q", "other.group"));

        // What the broker would write and read for the user counts as done by the user.
        await RefusedAsync(connection, "write access to exchange 'other.x'", c => DeclareAsync(c, "own.dead", "x-dead-letter-exchange", "other.x"));
        await RefusedAsync(connection, "write access to exchange 'other.x'", c => c.ExchangeDeclareAsync("own.alternate", "direct", arguments: new Dictionary<string, object?> { ["alternate-exchange"] = "other.x" }));
    }

    [Fact]
    public async Task A_user_made_over_HTTP_gets_and_loses_permissions_while_it_is_connected()
    {
        await PutAsync($"users/{User}", new { password = "secret", tags = "" });
        await PutAsync($"permissions/%2F/{User}", new { configure = "^$", write = "^$", read = "^other\\.q$" });
        await using IConnection connection = await ConnectAsync(User, "secret");
        await using (IChannel reader = await connection.CreateChannelAsync())
        {
            Assert.Null(await reader.BasicGetAsync("other.q", autoAck: true));
        }

        await RefusedAsync(connection, "configure access to queue 'own.q'", c => c.QueueDeclareAsync("own.q"));
        await RefusedAsync(connection, "write access to exchange 'amq.default'", c => PublishAsync(c, "", "other.q"));

        await PutAsync($"permissions/%2F/{User}", new { configure = ".*", write = ".*", read = "^own\\." });
        await AssertMayUseItsOwnAsync(connection);
        await RefusedAsync(connection, "read access to queue 'other.q'", c => c.BasicGetAsync("other.q", autoAck: true));
    }

    private static async Task AssertMayUseItsOwnAsync(IConnection connection)
    {
        await using IChannel channel = await OpenAsync(connection);
        await channel.ExchangeDeclareAsync("own.x", "direct");
        await channel.QueueDeclareAsync("own.q", durable: false, exclusive: false, autoDelete: false);
        await channel.QueueBindAsync("own.q", "own.x", "k");
        await PublishAsync(channel, "own.x", "k");
        await PublishAsync(channel, "", "own.q");
        var both = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int received = 0;
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, _) =>
        {
            if (Interlocked.Increment(ref received) == 2)
            {
                both.TrySetResult();
            }

            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync("own.q", autoAck: true, consumer);
        await both.Task.WaitAsync(Patience);
    }

    /// <summary>Asserts that the operation closes its channel, and only that, with 403 and these words.</summary>
    private static async Task RefusedAsync(IConnection connection, string what, Func<IChannel, Task> operation)
    {
        IChannel channel = await OpenAsync(connection);
        var closed = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            closed.TrySetResult(reason);
            return Task.CompletedTask;
        };
        await Assert.ThrowsAnyAsync<RabbitMQClientException>(() => operation(channel));
        ShutdownEventArgs reason = await closed.Task.WaitAsync(Patience);
        Assert.Equal((403, $"ACCESS_REFUSED - {what} in vhost '/' refused for user '{User}'"), (reason.ReplyCode, reason.ReplyText));
        Assert.True(connection.IsOpen);
    }

    private static async Task<IChannel> OpenAsync(IConnection connection) =>
        await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));

    private static Task PublishAsync(IChannel channel, string exchange, string routingKey) => channel.BasicPublishAsync(exchange, routingKey, mandatory: true, "x"u8.ToArray()).AsTask();

    private static Task ShareAsync(IChannel channel, string queue, string group) =>
        channel.BasicConsumeAsync(queue, autoAck: false, "", noLocal: false, exclusive: false, new Dictionary<string, object?> { ["x-share-group"] = group }, new AsyncEventingBasicConsumer(channel));

    private static Task DeclareAsync(IChannel channel, string queue, string argument, string value) =>
        channel.QueueDeclareAsync(queue, durable: false, exclusive: false, autoDelete: false, new Dictionary<string, object?> { [argument] = value });

    private async Task<IConnection> ConnectAsync(string user, string password) => await new ConnectionFactory
    {
        HostName = "127.0.0.1",
        Port = Broker.Port,
        UserName = user,
        Password = password,
        AutomaticRecoveryEnabled = false,
    }.CreateConnectionAsync();

    /// <summary>The client does not wait for the answer to connection.open: it learns of the refusal a moment later.</summary>
    private async Task<string> RefusedHostAsync()
    {
        await using IConnection connection = await ConnectAsync(User, "secret");
        for (long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds; connection.CloseReason is null; await Task.Delay(20))
        {
            Assert.True(Environment.TickCount64 < deadline, $"the connection is still open after {Patience}");
        }

        Assert.Equal(530, connection.CloseReason.ReplyCode);
        return connection.CloseReason.ReplyText;
    }

    [Fact]
    public async Task The_command_publishes_what_comes_on_standard_input_and_consumes_it()
    {
        string[] amqp = ["--port", $"{Broker.Port}"];
        await SluiceAsync("queue", "declare", "piped");
        await ClientProgram.RunAsync(Repository.ServerExecutable, ["publish", "piped", .. amqp], input: "two\nlines");
        await ClientProgram.RunAsync(Repository.ServerExecutable, ["publish", "piped", "--lines", .. amqp], input: "a\nb\n");
        Assert.Equal("two\nlines\na\nb\n", await ClientProgram.RunAsync(Repository.ServerExecutable, ["consume", "piped", "--count", "3", .. amqp]));
    }

    private Task SluiceAsync(params string[] arguments) => ClientProgram.RunAsync(Repository.ServerExecutable, [.. arguments, "--admin-port", $"{Broker.AdminPort}"]);

    private async Task PutAsync(string path, object body)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("guest:guest")));
        using HttpResponseMessage answer = await http.PutAsJsonAsync(new Uri($"http://127.0.0.1:{Broker.AdminPort}/api/{path}"), body);
        Assert.True(answer.IsSuccessStatusCode, $"PUT {path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }
}
