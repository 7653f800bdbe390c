using Microsoft.Extensions.Logging;

namespace Sluice.Base.Logging;

/// <summary>Something that was refused to a client, as far as it is the same when it comes again: what a <see cref="RefusalLog{TRefusal}"/> counts by. It keeps no long texts of clients (<see cref="LogText"/>).</summary>
public interface IRefusal
{
    /// <summary>What is refused, for the number of those beyond <see cref="RefusalLog.KeysMax"/>, as in "operations".</summary>
    static abstract string Things { get; }

    /// <summary>Whom it comes from, in words that <see cref="RefusalOrigin"/> has: of one's refusals no more than <see cref="RefusalLog.KeysOfOneMax"/> different ones are told of, so that one leaves room for others.</summary>
    string Origin { get; }

    /// <summary>Tells that it came again.</summary>
    /// <param name="logger">Hears of it.</param>
    /// <param name="count">How often since it was told of last, at least once.</param>
    void LogAgain(ILogger logger, long count);
}
