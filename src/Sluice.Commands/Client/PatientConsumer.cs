using System.Diagnostics;
using Sluice.Client;
using Sluice.Client.Consuming;

namespace Sluice.Commands.Client;

/// <summary>
/// Takes records of a consumer, and ends when none came for so long. The time in which the consumer does not know yet what it reads, since its group is still being put together, does not
/// count: nothing could have come. If that takes long it is told.
/// </summary>
/// <param name="consumer">Assigned or subscribed.</param>
/// <param name="invocation">Of the verb.</param>
/// <param name="wait">How long none may come; null: for ever.</param>
/// <param name="group">The group that it is subscribed as a member of; null: none.</param>
internal sealed class PatientConsumer(KafkaConsumer<byte[]?, byte[]?> consumer, Invocation invocation, TimeSpan? wait, string? group)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan NoteAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _trouble = group is null ? "Where to begin has not been found" : $"The group '{group}' has not given this member its partitions";
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
            throw new CommandException($"{_trouble} within {Patience.TotalSeconds:0} s: whether there are records is not known.{(group is null ? "" : $" 'sluice group show {group}' says who else is a member.")}");
        }

        if (!_isNoted && unsettled >= NoteAfter)
        {
            _isNoted = true;
            invocation.Error.WriteLine($"sluice: {_trouble} yet. Waiting for it.");
        }
    }

    private void NoteEmpty()
    {
        if (!_isEmptyNoted && group is not null && consumer.Assigned.Count == 0)
        {
            _isEmptyNoted = true;
            invocation.Error.WriteLine($"sluice: The group '{group}' has no partition for this member: others read them all.");
        }
    }
}
