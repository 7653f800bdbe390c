namespace Sluice.Hosting.Configuration;

/// <summary>How many letters must be added, dropped, changed or swapped with their neighbour to turn one word into another.</summary>
public static class EditDistance
{
    /// <summary>The number of edits, 0 for equal words. Letters of different case are different.</summary>
    public static int Between(string from, string to)
    {
        int[,] edits = new int[from.Length + 1, to.Length + 1];
        for (int i = 0; i <= from.Length; i++)
        {
            for (int j = 0; j <= to.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    edits[i, j] = i + j;
                    continue;
                }

                int change = edits[i - 1, j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                int least = Math.Min(change, Math.Min(edits[i - 1, j], edits[i, j - 1]) + 1);
                bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
                edits[i, j] = swapped ? Math.Min(least, edits[i - 2, j - 2] + 1) : least;
            }
        }

        return edits[from.Length, to.Length];
    }
}
