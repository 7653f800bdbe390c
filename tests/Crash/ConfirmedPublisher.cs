using System.Collections.Concurrent;
using RabbitMQ.Client;

namespace Sluice.Crash;

/// <summary>Publishes persistent messages with confirms, as fast as the window allows, until the broker is killed.</summary>
internal sealed class ConfirmedPublisher(Func<Task<IConnection>> connect, int number, MessageLedger[] ledgers, Random random)
{
    private const int Window = 400;
    private long _sequence;

    public async Task RunAsync(CancellationToken killed)
    {
        var window = new SemaphoreSlim(Window);
        var outstanding = new ConcurrentDictionary<ulong, (long Id, MessageLedger Ledger)>();
        IConnection? connection = null;
        try
        {
            connection = await connect();
            IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false), killed);
            ulong confirmedBelow = 1;
            channel.BasicAcksAsync += (_, e) =>
            {
                for (ulong tag = e.Multiple ? confirmedBelow : e.DeliveryTag; tag <= e.DeliveryTag; tag++)
                {
                    if (outstanding.TryRemove(tag, out (long Id, MessageLedger Ledger) confirmed))
                    {
                        confirmed.Ledger.Confirm(confirmed.Id);
                        window.Release();
                    }
                }

                if (e.Multiple)
                {
                    confirmedBelow = e.DeliveryTag + 1;
                }

                return Task.CompletedTask;
            };
            var properties = new BasicProperties { Persistent = true };
            for (ulong tag = 1; ; tag++)
            {
                await window.WaitAsync(killed);
                long id = ((long)number << 40) + ++_sequence;
                MessageLedger ledger = ledgers[_sequence % ledgers.Length];
                ledger.Publishing(id);
                outstanding[tag] = (id, ledger);
                await channel.BasicPublishAsync("", ledger.Queue, mandatory: true, properties, MessageBody.Create(id, Size()), killed);
            }
        }
        catch (Exception e) when (Breakage.IsBroken(e))
        {
            // What was not confirmed may be there after the restart or not; both are right.
        }
        finally
        {
            await (connection is null ? Task.CompletedTask : Breakage.DropAsync(connection));
        }
    }

    /// <summary>Mostly small, now and then larger than a frame.</summary>
    private int Size() => random.Next(100) == 0 ? random.Next(100_000, 300_000) : random.Next(8, 1000);
}
