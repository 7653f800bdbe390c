using Sluice.Broker.Definitions;
using Sluice.Broker.Delays;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Hosts;

#pragma warning disable CA1001 // A SemaphoreSlim whose wait handle is never asked for holds nothing to dispose.
/// <summary>What the delayed exchanges of a virtual host hold: its store, made for the first such exchange, and what becomes of a message whose delay is over.</summary>
internal sealed class DelayedDelivery(VirtualHost host) : IDelayedTarget
{
    private readonly SemaphoreSlim _creation = new(1);
    private readonly Lock _sync = new();
    private volatile DelayStore? _store;
    private bool _isStopped;
    private bool _isDeleted;

    /// <summary>Null until the first delayed exchange is declared.</summary>
    public DelayStore? Store => _store;

    private DelayOptions Options => new() { Promise = host.Options.DurablePromise };

    /// <summary>Opens what the virtual host has; returns the logs in use. Once.</summary>
    public IEnumerable<LogId> Open()
    {
        _store = DelayStore.Open(host.Store, host.Name, Options, host.Scheduler, host.Clock, host.Logger);
        return _store?.LogIds ?? [];
    }

    /// <summary>Begins to deliver what <see cref="Open"/> found. Once, when the virtual host can route.</summary>
    public void Start() => _store?.Start(this);

    /// <summary>Makes the store if there is none.</summary>
    public async ValueTask CreateAsync()
    {
        await _creation.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_store is null)
            {
                Adopt(await DelayStore.CreateAsync(host.Store, host.Name, Options, host.Scheduler, host.Clock, host.Logger).ConfigureAwait(false));
                if (_store is null)
                {
                    await host.Store.Metadata.CommitAsync(MetadataTransaction.Delete(MetadataKeys.DelayLogs(host.Name))).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            _creation.Release();
        }
    }

    /// <summary>Ends delivering. The messages stay. Waits for a delivery under way.</summary>
    public void Stop()
    {
        lock (_sync)
        {
            _isStopped = true;
        }

        _store?.Dispose();
    }

    /// <summary>Deletes the messages with the virtual host.</summary>
    public void Delete()
    {
        lock (_sync)
        {
            _isDeleted = true;
        }

        _store?.Delete();
    }

    /// <summary>A message's delay is over: it is routed on from the exchange that held it, and leaves the delay store in the same journal entry.</summary>
    public void Deliver(DelayedBatch batch)
    {
        using PublishTurn turn = host.CreatePublishTurn();
        while (batch.TryNext(out DelayedMessage due))
        {
            if (host.Names.FindExchange(due.Holder) is not { } holder)
            {
                continue;
            }

            MessageToPublish message = due.Message;
            // Whatever exchange comes behind the holder may want to see them.
            message.Headers = host.Broker.FindFormat(message.Format)?.ReadHeaders(message.Properties.ToArray());

            turn.PublishDelayed(holder, message);
        }

        turn.CommitDelayed(batch);
    }

    /// <summary>Takes over a store just made, unless the virtual host has gone meanwhile.</summary>
    private void Adopt(DelayStore created)
    {
        bool isStopped;
        lock (_sync)
        {
            isStopped = _isStopped;
            _store = _isDeleted || host.IsDeleted ? null : created;
        }

        if (_store is null)
        {
            created.Delete();
        }
        else if (!isStopped)
        {
            created.Start(this);
        }
    }
}
