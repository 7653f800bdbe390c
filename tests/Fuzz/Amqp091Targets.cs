using System.Buffers;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Protocols.Amqp091;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Security;
using Sluice.Storage;
using Sluice.TestKit.Disk;
using Sluice.Transport;

namespace Sluice.Fuzz;

/// <summary>
/// Everything that reads AMQP 0-9-1 bytes of strangers. The input's first byte chooses the target, the second how the bytes are cut into pieces. Malformed
/// input may end in <see cref="AmqpException"/>; any other exception, a reply that is not AMQP, or a block not returned is a finding and is thrown.
/// </summary>
public sealed class Amqp091Targets : IFuzzTargets
{
    private const int InputsPerServer = 500;
    private readonly BlockPool _pool = new(16);
    private LogStore? _store;
    private Amqp091Server? _server;
    private byte[] _login = [];
    private int _inputs;
    private long _lastId;

    public IReadOnlyList<byte[]> Seeds { get; } = Amqp091Seeds.All();

    public async Task RunAsync(byte[] input)
    {
        if (input.Length < 2)
        {
            return;
        }

        byte[] bytes = input[2..];
        int pieces = input[1] + 1;
        switch (input[0] % 5)
        {
            case 0:
                Tolerate(() => ReadFrames(bytes, pieces));
                break;
            case 1:
                Tolerate(() => ArgumentTable.Read(Checked(bytes)));
                break;
            case 2:
                Tolerate(() => ReadProperties(bytes));
                break;
            case 3:
                await ConnectAsync(bytes, pieces).ConfigureAwait(false);
                break;
            default:
                await OpenServerAsync().ConfigureAwait(false);
                await ConnectAsync([.. _login, .. bytes], pieces).ConfigureAwait(false);
                break;
        }
    }

    public void Dispose()
    {
        CloseServer();
        _pool.Dispose();
    }

    private static void Tolerate(Action read)
    {
        try
        {
            read();
        }
        catch (AmqpException)
        {
            // What a stranger may get for an answer.
        }
    }

    private static byte[] Checked(byte[] table)
    {
        FieldTable.Check(table);
        return table;
    }

    private static void ReadFrames(byte[] bytes, int pieces)
    {
        using var scratch = new FrameScratch();
        var reader = new FrameReader(PieceStream.Cut(bytes, pieces), 4096, scratch);
        while (reader.TryRead(out Frame frame))
        {
            if (frame.Type == FrameType.Header)
            {
                ReadProperties(ContentHeader.Read(frame.Payload).Properties.ToArray());
            }
        }

        if (reader.Consumed > bytes.Length)
        {
            throw new InvalidOperationException("more was consumed than there is");
        }
    }

    /// <summary>What is accepted must be readable by all that read it later.</summary>
    private static void ReadProperties(byte[] properties)
    {
        BasicProperties read = BasicProperties.Read(properties);
        var reader = new Amqp091PropertiesReader();
        _ = reader.ReadHeaders(properties)?.Count;
        _ = reader.ReadPriority(properties);
        foreach (Broker.Messages.MessageProperty property in Enum.GetValues<Broker.Messages.MessageProperty>())
        {
            reader.TryReadProperty(properties, property, out _);
        }

        BasicProperties.Read(new PropertiesEditor().WithHeaders(properties, read.Headers, removeExpiration: true));
        reader.ReadExtraRoutingKeys(properties);
    }

    private async Task ConnectAsync(byte[] bytes, int pieces)
    {
        await OpenServerAsync().ConfigureAwait(false);
        var end = new IPEndPoint(IPAddress.Loopback, 5672);
        using var stream = new PieceStream(bytes, pieces);
        var client = new ClientConnection(++_lastId, stream, _pool, ConnectionWriterLimits.Default, end, end, null, NullLogger.Instance);
        await _server!.HandleAsync(client, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30)).ConfigureAwait(false);
        await client.Output.CloseAsync(TimeSpan.FromSeconds(5), TimeProvider.System).ConfigureAwait(false);
        await client.Input.CompleteAsync().ConfigureAwait(false);
        if (_pool.RentedBlocks != 0)
        {
            throw new InvalidOperationException($"{_pool.RentedBlocks} blocks were not returned");
        }

        CheckReplies(stream.Written);
    }

    private static void CheckReplies(byte[] written)
    {
        if (written.AsSpan().StartsWith(ProtocolHeader.Bytes))
        {
            return;
        }

        using var scratch = new FrameScratch();
        var reader = new FrameReader(new ReadOnlySequence<byte>(written), 1 << 20, scratch);
        while (reader.TryRead(out _))
        {
        }

        if (reader.Consumed != written.Length)
        {
            throw new InvalidOperationException("the replies are not whole frames");
        }
    }

    private async Task OpenServerAsync()
    {
        if (_inputs++ % InputsPerServer != 0)
        {
            return;
        }

        CloseServer();
        _store = LogStore.Open(new LogStoreOptions(), new FaultDisk(1), new SystemScheduler(), TimeProvider.System, NullLoggerFactory.Instance);
        MessageBroker broker = MessageBroker.Open(
            _store,
            new BrokerOptions { MessageBytesMax = 1 << 20 },
            [new Amqp091PropertiesReader()],
            new SystemScheduler(),
            TimeProvider.System,
            new Random(1),
            NullLoggerFactory.Instance);
        var access = new AccessControl(new NoStore(), NullLogger<AccessControl>.Instance);
        await access.CreateFirstUserAsync("guest", "guest", "/").ConfigureAwait(false);
        var authenticator = new Authenticator(access, new AuthenticatorOptions(), TimeProvider.System, NullLogger<Authenticator>.Instance);
        _server = new Amqp091Server(new Amqp091Options(), broker, access, authenticator, new UsageLimits(access), TimeProvider.System, NullLogger<Amqp091Server>.Instance);
        _login = Amqp091Seeds.Login();
    }

    private void CloseServer()
    {
        _server?.Dispose();
        _store?.Dispose();
    }

    private sealed class NoStore : ISecurityStore
    {
        public IReadOnlyList<SecurityEntry> Load() => [];

        public ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes) => default;
    }
}
