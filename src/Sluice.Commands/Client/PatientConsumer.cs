using System.Diagnostics;
using Sluice.Client;
using Sluice.Client.Consuming;

namespace Sluice.Commands.Client;

/// <summary>
/// Takes records of a consumer, and ends when none came for so long. The time in which the consumer does not know yet what it reads, since its group is still being put together, does not
/// count: nothing could have come. If that takes long it is told.
/// </summary>
internal sealed class PatientConsumer(KafkaConsumer<byte[]?, byte[]?> consumer, Invocation invocation, TimeSpan? wait, string what)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan NoteAfter = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private bool _isNoted;
    private bool _isEmptyNoted;

    /// <summary>The next record; null: none came.</summary>
    /// <exception cref="CommandException">The consumer did not get to know what it reads.</exception>
    public async Task<ConsumedRecord<byte[]?, byte[]?>?> NextAsync()
    {
        TimeSpan idle = TimeSpan.Zero;
        TimeSpan unsettled = TimeSpan.Zero;
        while (true)
        {
            bool isSettled = consumer.IsSettled;
            TimeSpan most = isSettled && wait is { } limit && limit - idle < LookAgain ? limit - idle : LookAgain;
            long begin = Stopwatch.GetTimestamp();
            if (await consumer.ConsumeAsync(most, invocation.Cancel).ConfigureAwait(false) is { } record)
            {
                return record;
            }

            TimeSpan elapsed = Stopwatch.GetElapsedTime(begin);
            if (isSettled)
            {
                NoteEmpty();
                idle += elapsed;
                unsettled = TimeSpan.Zero;
                if (idle >= wait)
                {
                    return null;
                }
            }
            else
            {
                unsettled += elapsed;
                Note(unsettled);
            }
        }
    }

    private void Note(TimeSpan unsettled)
    {
        if (wait is not null && unsettled >= Patience)
        {
            throw new CommandException($"{what} has given this member no partitions within {Patience.TotalSeconds:0} s: whether there are records is not known. 'sluice group show' says who else is a member.");
        }

        if (!_isNoted && unsettled >= NoteAfter)
        {
            _isNoted = true;
            invocation.Error.WriteLine($"sluice: {what} has given this member no partitions yet. Waiting for it.");
        }
    }

    private void NoteEmpty()
    {
        if (!_isEmptyNoted && consumer.Assigned.Count == 0)
        {
            _isEmptyNoted = true;
            invocation.Error.WriteLine($"sluice: {what} has no partition for this member: others read them all.");
        }
    }
}
