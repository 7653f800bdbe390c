using Sluice.Base.Buffers;
using Sluice.Client.Metadata;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Connections;

/// <summary>All brokers that the client knows: those it was given to begin with, and those that metadata named. Thread-safe.</summary>
internal sealed class NodePool : IAsyncDisposable
{
    private readonly Lock _sync = new();
    private readonly KafkaClientOptions _options;
    private readonly Connector _connector;
    private readonly Node[] _bootstrap;
    private readonly Dictionary<(int Id, ConnectionPurpose Purpose), Node> _nodes = [];
    private readonly Dictionary<int, BrokerAddress> _addresses = [];
    private bool _isDisposed;

    public NodePool(KafkaClientOptions options, BufferPool pool)
    {
        _options = options;
        _connector = new Connector(options, pool);
        _bootstrap = [.. BrokerAddress.ParseList(options.BootstrapServers).Select((address, index) => new Node(-1 - index, address, _connector, options, OnChanged))];
    }

    /// <summary>A connection was made, or could not be made. Called on any thread.</summary>
    public event Action? Changed;

    /// <summary>Takes the addresses of a new view. A broker that moved is connected to anew.</summary>
    public void Update(ClusterView view)
    {
        List<Node> gone = [];
        lock (_sync)
        {
            foreach ((int id, BrokerAddress address) in view.Brokers)
            {
                Learn(id, address, gone);
            }
        }

        foreach (Node node in gone)
        {
            _ = node.DisposeAsync().AsTask();
        }
    }

    /// <summary>Learns of one broker, such as a coordinator.</summary>
    public void Add(int id, BrokerAddress address)
    {
        List<Node> gone = [];
        lock (_sync)
        {
            Learn(id, address, gone);
        }

        foreach (Node node in gone)
        {
            _ = node.DisposeAsync().AsTask();
        }
    }

    /// <summary>The broker with the id; null if nobody has named it yet.</summary>
    public Node? Find(int id, ConnectionPurpose purpose = ConnectionPurpose.Data)
    {
        lock (_sync)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_nodes.TryGetValue((id, purpose), out Node? node))
            {
                return node;
            }

            if (!_addresses.TryGetValue(id, out BrokerAddress address))
            {
                return null;
            }

            node = new Node(id, address, _connector, _options, OnChanged);
            _nodes.Add((id, purpose), node);
            return node;
        }
    }

    /// <summary>A connection to the broker with the id.</summary>
    /// <exception cref="KafkaClientException">It is not known or not reached.</exception>
    public Task<KafkaConnection> GetAsync(int id, ConnectionPurpose purpose, CancellationToken cancel) =>
        Find(id, purpose)?.GetAsync(cancel) ?? Task.FromException<KafkaConnection>(new KafkaClientException(KafkaErrorCode.BrokerNotAvailable, $"Broker {id} is not known."));

    /// <summary>
    /// Connects to whichever broker has least to do: first those with a connection, by their requests on the way; then those not tried lately; those of the beginning last.
    /// </summary>
    /// <exception cref="KafkaClientException">None can be reached; the last failure.</exception>
    public async Task<KafkaConnection> GetLeastLoadedAsync(CancellationToken cancel)
    {
        KafkaClientException? failure = null;
        foreach (Node node in ByLoad())
        {
            try
            {
                return await node.GetAsync(cancel).ConfigureAwait(false);
            }
            catch (KafkaClientException error)
            {
                failure = error;
                if (error.ErrorCode != KafkaErrorCode.NetworkException)
                {
                    break;
                }
            }
        }

        throw failure!;
    }

    public async ValueTask DisposeAsync()
    {
        Node[] all;
        lock (_sync)
        {
            _isDisposed = true;
            all = [.. _nodes.Values, .. _bootstrap];
            _nodes.Clear();
        }

        foreach (Node node in all)
        {
            await node.DisposeAsync().ConfigureAwait(false);
        }
    }

    private Node[] ByLoad()
    {
        lock (_sync)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            foreach (int id in _addresses.Keys)
            {
                if (!_nodes.ContainsKey((id, ConnectionPurpose.Data)))
                {
                    _nodes.Add((id, ConnectionPurpose.Data), new Node(id, _addresses[id], _connector, _options, OnChanged));
                }
            }

            return
            [
                .. _nodes.Where(entry => entry.Key.Purpose == ConnectionPurpose.Data).Select(entry => entry.Value)
                    .Concat(_bootstrap)
                    .OrderBy(node => node.Connection is { } connection ? connection.InFlight : node.IsPausing ? int.MaxValue : int.MaxValue - 1),
            ];
        }
    }

    private void Learn(int id, BrokerAddress address, List<Node> gone)
    {
        if (_isDisposed || (_addresses.TryGetValue(id, out BrokerAddress known) && known == address))
        {
            return;
        }

        _addresses[id] = address;
        foreach (ConnectionPurpose purpose in Enum.GetValues<ConnectionPurpose>())
        {
            if (_nodes.Remove((id, purpose), out Node? old))
            {
                gone.Add(old);
            }
        }
    }

    private void OnChanged() => Changed?.Invoke();
}
