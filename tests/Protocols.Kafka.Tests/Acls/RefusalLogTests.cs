using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Logging;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Security;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Tests.Acls;

/// <summary>What the operator reads of refused operations and clients, and how little a client can make of it.</summary>
public sealed class RefusalLogTests : IDisposable
{
    private static readonly IPEndPoint s_here = new(IPAddress.Loopback, 9092);

    private readonly GroupFixture _fixture = new();
    private readonly Lines _lines = new();
    private readonly Authenticator _authenticator;
    private readonly KafkaServer _server;

    public RefusalLogTests()
    {
        var control = new AccessControl(new EmptyStore(), NullLogger<AccessControl>.Instance);
        _fixture.Run(PutUsersAsync(control));
        _authenticator = new Authenticator(control, new AuthenticatorOptions(), _fixture.Clock, NullLogger<Authenticator>.Instance);
        _server = _fixture.Run(KafkaServer.CreateAsync(
            new KafkaOptions { AnonymousUser = "" },
            _fixture.Broker,
            control,
            _authenticator,
            _fixture.Scheduler,
            _fixture.Clock,
            new Random(1),
            _lines));
    }

    public void Dispose()
    {
        _server.Dispose();
        _authenticator.Dispose();
        _fixture.Dispose();
    }

    [Fact]
    public void A_refusal_is_told_once_and_its_repetitions_are_counted_once_a_minute()
    {
        // What the start of the broker has set is over.
        _fixture.Clock.Advance(RefusalLog.Period);
        int timers = _fixture.Clock.TimerCount;
        for (int i = 0; i < 60; i++)
        {
            Refuse("ada", "orders");
        }

        Assert.Equal(["User 'ada' from 10.0.0.1 was refused Read on topic 'orders': no permission and no entry of the access list allows it"], _lines.Take());
        _fixture.Clock.Advance(RefusalLog.Period);
        Assert.Equal(["User 'ada' was refused Read on topic 'orders' 59 more times within a minute"], _lines.Take());

        // It goes on: one line a minute, and no other.
        Refuse("ada", "orders");
        Assert.Empty(_lines.Take());
        _fixture.Clock.Advance(RefusalLog.Period);
        Assert.Equal(["User 'ada' was refused Read on topic 'orders' 1 more times within a minute"], _lines.Take());
        _fixture.Clock.Advance(RefusalLog.Period);
        Assert.Empty(_lines.Take());
        Assert.Equal(timers, _fixture.Clock.TimerCount);

        // After a minute without it is news again.
        Refuse("ada", "orders");
        Assert.Single(_lines.Take());
    }

    [Fact]
    public void What_was_held_back_is_told_at_the_end()
    {
        Refuse("ada", "orders");
        Refuse("ada", "orders");
        _lines.Take();
        _server.Dispose();
        Assert.Equal(["User 'ada' was refused Read on topic 'orders' 1 more times within a minute"], _lines.Take());
        _server.Dispose();
        Assert.Empty(_lines.Take());
    }

    [Fact]
    public void Others_resources_and_operations_are_told_of_by_themselves()
    {
        Refuse("ada", "orders");
        Refuse("bob", "orders");
        Refuse("ada", "bills");
        Assert.False(Request("ada").AllowsCluster(AclOperation.Alter));
        string[] lines = _lines.Take();
        Assert.Equal(4, lines.Length);
        Assert.Equal("User 'ada' from 10.0.0.1 was refused Alter on the cluster: no permission and no entry of the access list allows it", lines[3]);
    }

    [Fact]
    public void Who_asks_for_ever_other_names_gets_ten_lines_a_minute_and_a_count_and_leaves_room_for_others()
    {
        KafkaRequest request = Request("ada");
        for (int i = 0; i < 5_000; i++)
        {
            Assert.False(request.AllowsTopic(AclOperation.Read, $"{i}{new string('x', 30_000)}"));
        }

        string[] lines = _lines.Take();
        Assert.Equal(RefusalLog.KeysOfOneMax, lines.Length);
        Assert.All(lines, static line => Assert.True(line.Length < 500));
        Refuse("bob", "orders");
        Assert.Single(_lines.Take());
        _fixture.Clock.Advance(RefusalLog.Period);
        Assert.Equal(["User 'ada': 4990 more operations were refused within a minute, beyond 10 different ones that are told of"], _lines.Take());
    }

    [Fact]
    public void What_is_not_told_of_takes_no_memory()
    {
        KafkaRequest request = Request("ada");
        Assert.False(request.AllowsTopic(AclOperation.Read, "orders"));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            request.AllowsTopic(AclOperation.Read, "orders");
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Single(_lines.Take());
    }

    [Fact]
    public async Task Clients_that_speak_something_else_are_told_of_once_for_each_address_and_reason()
    {
        for (int i = 0; i < 3; i++)
        {
            await ConnectAsync("10.0.0.1", 50_000 + i, [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]);
            await ConnectAsync("10.0.0.2", 50_000 + i, "GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            await ConnectAsync("10.0.0.2", 60_000 + i, "AMQP\0\0\x09\x01"u8.ToArray());

            // The number differs, the reason does not.
            await ConnectAsync("10.0.0.3", 50_000 + i, [0x7F, 0, 0, (byte)i, 1, 2, 3, 4]);
        }

        Assert.Equal(
            [
                "Connection 10.0.0.1:50000 -> 127.0.0.1:9092 is closed: it speaks TLS, and this port is the one without: let it connect to the port with TLS (Kafka:Tls:Port), or switch TLS off in the client (security.protocol PLAINTEXT or SASL_PLAINTEXT)",
                "Connection 10.0.0.2:50000 -> 127.0.0.1:9092 is closed: it speaks HTTP, and this is the port for Kafka clients: the broker's HTTP API has another (Admin:Port)",
                "Connection 10.0.0.2:60000 -> 127.0.0.1:9092 is closed: it speaks AMQP 0-9-1, and this is the port for Kafka clients: let it connect to the one for its protocol (Amqp:Port)",
                "Connection 10.0.0.3:50000 -> 127.0.0.1:9092 is closed: it sent what is no Kafka request: a request of 2130706432 bytes; at most 104857600 are allowed",
            ],
            _lines.Take());
        _fixture.Clock.Advance(RefusalLog.Period);
        Assert.Equal(
            [
                "Client 10.0.0.1 on port 9092: connection closed 2 more times within a minute: it speaks TLS, and this port is the one without: let it connect to the port with TLS (Kafka:Tls:Port), or switch TLS off in the client (security.protocol PLAINTEXT or SASL_PLAINTEXT)",
                "Client 10.0.0.2 on port 9092: connection closed 2 more times within a minute: it speaks HTTP, and this is the port for Kafka clients: the broker's HTTP API has another (Admin:Port)",
                "Client 10.0.0.2 on port 9092: connection closed 2 more times within a minute: it speaks AMQP 0-9-1, and this is the port for Kafka clients: let it connect to the one for its protocol (Amqp:Port)",
                "Client 10.0.0.3 on port 9092: connection closed 2 more times within a minute: it sent what is no Kafka request",
            ],
            _lines.Take());
    }

    [Fact]
    public async Task A_client_that_does_not_log_in_where_it_must_is_told_of_once_and_counted_each_time()
    {
        for (int i = 0; i < 3; i++)
        {
            // Metadata, version 8, of a client without a name.
            await ConnectAsync("10.0.0.1", 50_000 + i, [0, 0, 0, 10, 0, 3, 0, 8, 0, 0, 0, 1, 0xFF, 0xFF]);
        }

        Assert.Equal(
            ["Connection 10.0.0.1:50000 -> 127.0.0.1:9092 is closed: it asks for Metadata without a login, and clients must log in (Kafka:AnonymousUser is empty): give it a user and a password (security.protocol SASL_PLAINTEXT or SASL_SSL)"],
            _lines.Take());
        Assert.Equal(3, _authenticator.CountRefused(LoginRefusal.NoLogin));
    }

    [Fact]
    public async Task What_is_wrong_with_a_users_client_is_told_of_by_user_and_fault()
    {
        for (int i = 0; i < 3; i++)
        {
            await ConnectAsync("10.0.0.1", 50_000 + i, [0x7F, 0, 0, 0], "ada");
            await ConnectAsync("10.0.0.1", 51_000 + i, [0x7F, 0, 0, 1], "ada");
            await ConnectAsync("10.0.0.1", 52_000 + i, [0x7F, 0, 0, 0], "bob");
            await ConnectAsync("10.0.0.1", 53_000 + i, [0x7F, 0, 0, 0]);
        }

        Assert.Equal(
            [
                "Connection 10.0.0.1:50000 -> 127.0.0.1:9092, user 'ada', is closed: it sent what is no Kafka request: a request of 2130706432 bytes; at most 104857600 are allowed",
                "Connection 10.0.0.1:51000 -> 127.0.0.1:9092, user 'ada', is closed: it sent what is no Kafka request: a request of 2130706433 bytes; at most 104857600 are allowed",
                "Connection 10.0.0.1:52000 -> 127.0.0.1:9092, user 'bob', is closed: it sent what is no Kafka request: a request of 2130706432 bytes; at most 104857600 are allowed",
                "Connection 10.0.0.1:53000 -> 127.0.0.1:9092 is closed: it sent what is no Kafka request: a request of 2130706432 bytes; at most 104857600 are allowed",
            ],
            _lines.Take());
        _fixture.Clock.Advance(RefusalLog.Period);
        Assert.Equal(
            [
                "Client 10.0.0.1 on port 9092, user 'ada': connection closed 2 more times within a minute: it sent what is no Kafka request: a request of 2130706432 bytes; at most 104857600 are allowed",
                "Client 10.0.0.1 on port 9092, user 'ada': connection closed 2 more times within a minute: it sent what is no Kafka request: a request of 2130706433 bytes; at most 104857600 are allowed",
                "Client 10.0.0.1 on port 9092, user 'bob': connection closed 2 more times within a minute: it sent what is no Kafka request: a request of 2130706432 bytes; at most 104857600 are allowed",
                "Client 10.0.0.1 on port 9092: connection closed 2 more times within a minute: it sent what is no Kafka request",
            ],
            _lines.Take());
    }

    [Fact]
    public void Entries_of_the_list_are_told_in_words()
    {
        Assert.Equal("User:ada from any address may Read topic 'orders'", Words(AclResourceType.Topic, AclPatternType.Literal, "orders", "User:ada", "*", AclOperation.Read, AclPermission.Allow));
        Assert.Equal("every user from 10.0.0.1 may not Write every topic whose name begins with 'o'", Words(AclResourceType.Topic, AclPatternType.Prefixed, "o", "User:*", "10.0.0.1", AclOperation.Write, AclPermission.Deny));
        Assert.Equal("User:ada from any address may do everything with every group", Words(AclResourceType.Group, AclPatternType.Literal, "*", "User:ada", "*", AclOperation.All, AclPermission.Allow));
        Assert.Equal("User:ada from any address may Alter the cluster", Words(AclResourceType.Cluster, AclPatternType.Literal, "kafka-cluster", "User:ada", "*", AclOperation.Alter, AclPermission.Allow));
    }

    private static string Words(AclResourceType type, AclPatternType pattern, string name, string principal, string host, AclOperation operation, AclPermission permission) =>
        AclWords.Entry(new Acl(type, pattern, name, principal, host, operation, permission));

    private static async Task<bool> PutUsersAsync(AccessControl control)
    {
        foreach (string user in (string[])["ada", "bob"])
        {
            await control.PutUserAsync(new User(user, null, [], default));
        }

        return true;
    }

    private void Refuse(string user, string topic) => Assert.False(Request(user).AllowsTopic(AclOperation.Read, topic));

    /// <summary>A request of the user's, who may do nothing.</summary>
    private KafkaRequest Request(string user)
    {
        var connection = new KafkaConnection(_server, Client("10.0.0.1", 50_000, Stream.Null)) { Access = Access(user, "10.0.0.1") };
        return new KafkaRequest(connection, KafkaApis.Get(KafkaApiKey.Fetch), new KafkaRequestHeader((short)KafkaApiKey.Fetch, 13, 1, null), 0);
    }

    private ClientAccess Access(string user, string address) => new(_server.Acls, _server.AccessControl.AccessOf(user, "/"), address);

    /// <summary>A client that says this, and what the broker makes of it.</summary>
    /// <param name="address">Where it comes from.</param>
    /// <param name="port">The same.</param>
    /// <param name="says">What it sends.</param>
    /// <param name="user">As whom it has logged in before; null: it has not.</param>
    private async Task ConnectAsync(string address, int port, byte[] says, string? user = null)
    {
        using var stream = new MemoryStream(says);
        await new KafkaConnection(_server, Client(address, port, stream)) { Access = user is null ? null : Access(user, address) }.RunAsync(TestContext.Current.CancellationToken);
    }

    private static ClientConnection Client(string address, int port, Stream stream) =>
        new(1, stream, new BlockPool(), new ConnectionWriterLimits(), new IPEndPoint(IPAddress.Parse(address), port), s_here, tls: null, NullLogger.Instance);

    private sealed class EmptyStore : ISecurityStore
    {
        public IReadOnlyList<SecurityEntry> Load() => [];

        public ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes) => default;
    }

    /// <summary>Keeps the warnings.</summary>
    private sealed class Lines : ILogger<KafkaServer>
    {
        private readonly List<string> _lines = [];

        public string[] Take()
        {
            string[] taken = [.. _lines];
            _lines.Clear();
            return taken;
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Assert.True(logLevel <= LogLevel.Warning);
            if (logLevel == LogLevel.Warning)
            {
                _lines.Add(formatter(state, exception));
            }
        }
    }
}
