namespace Sluice.BlackBox;

/// <summary>Finds files of the checkout that the tests run from.</summary>
public static class Repository
{
    /// <summary>The checkout's root: the nearest folder above the test's binaries that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The server's executable as the Release build leaves it, or the one that <c>SLUICE_EXECUTABLE</c> names.</summary>
    public static string ServerExecutable =>
        Environment.GetEnvironmentVariable("SLUICE_EXECUTABLE") ?? Path.Combine(Root, "src/Sluice.Server/bin/Release/net10.0/sluice");

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Sluice.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"Sluice.slnx is in no folder above {AppContext.BaseDirectory}");
    }
}
