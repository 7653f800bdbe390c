namespace Sluice.Broker.Topics;

/// <summary>What was declared for a topic; kept in the metadata store.</summary>
/// <param name="Name">Unique in its virtual host among topics and queues.</param>
/// <param name="Id">Tells it from a topic of the same name that was deleted before.</param>
/// <param name="Config">Values that were set, by Kafka's names.</param>
/// <param name="IsInternal">Of the broker's own: clients may read it but not write or delete it.</param>
/// <param name="IsQueue">It was declared as a queue: its partitions and settings are the queue's.</param>
/// <param name="HasGrown">It had one partition once: as a stream, that one keeps the topic's name, so that bindings and consumers keep their target.</param>
public sealed record TopicDefinition(string Name, Guid Id, IReadOnlyDictionary<string, string> Config, bool IsInternal = false, bool IsQueue = false, bool HasGrown = false)
{
    /// <summary>Longest name, in characters.</summary>
    public const int NameLengthMax = 249;

    /// <summary>Says what is wrong with a topic's name, in Kafka's words; null: nothing.</summary>
    public static string? NameProblem(string name)
    {
        if (name.Length == 0)
        {
            return "Topic name is invalid: the empty string is not allowed";
        }

        if (name is "." or "..")
        {
            return "Topic name is invalid: '.' or '..' is not allowed";
        }

        if (name.Length > NameLengthMax)
        {
            return $"Topic name is invalid: the length of '{name}' is longer than the max allowed length {NameLengthMax}";
        }

        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-'))
            {
                return $"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
            }
        }

        return null;
    }
}
