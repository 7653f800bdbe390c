namespace Sluice.Fuzz;

/// <summary>Seeded mutations of well-formed inputs: no fuzzer is needed to run some thousands of them in a test.</summary>
public static class Mutations
{
    /// <summary>Runs mutations; throws what a target throws, with the input in the message.</summary>
    public static async Task RunAsync(IFuzzTargets targets, int seed, int count)
    {
        ArgumentNullException.ThrowIfNull(targets);
        IReadOnlyList<byte[]> seeds = targets.Seeds;
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked((seed * 1_000_003) + i));
            byte[] input = i < seeds.Count ? seeds[i] : Mutate(seeds[i % seeds.Count], random);
            try
            {
                await targets.RunAsync(input).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"Mutation {i} of seed {seed} found: {error.Message}. Input: {Convert.ToHexString(input)}", error);
            }
        }
    }

    private static byte[] Mutate(byte[] seed, Random random)
    {
        var bytes = new List<byte>(seed);
        int changes = 1 + random.Next(4);
        for (int i = 0; i < changes && bytes.Count > 3; i++)
        {
            int at = random.Next(2, bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 16), bytes.Count - at));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 64), bytes.Count - at)));
                    break;
                case 4:
                    bytes.Insert(at, random.Next(2) == 0 ? (byte)0xFF : (byte)0);
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];
    }
}
